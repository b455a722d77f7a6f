"""Prepare a model for training and count its trainable weights; a model without any is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from torch import nn

from dpr.errors import ModelError
from dpr.models.backends import choose_device

logger = logging.getLogger(__name__)


def set_up_model(model: Any, dropout: float) -> None:
    """Set the dropout of a Hugging Face model, and the attention whose backward pass is fastest."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    model.config.attention_probs_dropout_prob = dropout
    if choose_device().type == "cpu":  # with its backward pass, a third faster there than the fused kernel
        model.set_attn_implementation("eager")


def count_trainable(module: nn.Module, models: Iterable[Any], base: str) -> dict[str, int]:
    """Return and log the number of trainable parameters and of all, by their names in the record.

    Args:
        module: the model with its heads.
        models: the Hugging Face or peft models within it; the encoder of each must have trainable weights.
        base: the name of the base, for the message.

    Raises:
        ModelError: no parameter is trainable, or only those of a head.
    """
    trainable, everything = _trainable(module), sum(weight.numel() for weight in module.parameters())
    if not all(_trainable(_encoder_of(model)) for model in models):
        cause = f"only {trainable} of {everything} parameters can be trained" if trainable else "no weight is trainable"
        raise ModelError(
            f"the encoder of {base} is frozen: {cause}, none of an encoder; "
            "unfreeze its weights, or set lora_rank to train an adapter on them"
        )
    logger.info("training %s of %s parameters", f"{trainable:,}", f"{everything:,}")
    return {"trainable_parameters": trainable, "parameters": everything}


def _trainable(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


def _encoder_of(model: Any) -> nn.Module:
    """Return a model without its head; the layers of an adapter are within it."""
    unwrapped = model.get_base_model() if hasattr(model, "peft_config") else model
    encoder: nn.Module = unwrapped.base_model
    return encoder
