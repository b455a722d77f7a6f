"""A model made ready for training, and the number of weights that move; one that would move none is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from torch import nn

from dpr.errors import ModelError
from dpr.models.backends import choose_device

logger = logging.getLogger(__name__)


def set_up_model(model: Any, dropout: float) -> None:
    """Set a Hugging Face model's dropout, and the attention that is fastest with its backward pass."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    model.config.attention_probs_dropout_prob = dropout
    if choose_device().type == "cpu":  # with its backward pass, a third faster there than the fused kernel
        model.set_attn_implementation("eager")


def count_trainable(module: nn.Module, models: Iterable[Any], base: str) -> dict[str, int]:
    """Return, and log, the number of parameters that a training moves, and of all, by their names in the record.

    Args:
        module: all that is trained, heads included.
        models: the Hugging Face models within it, or peft's around one; the encoder of each must move.
        base: the name of the base, for the message.

    Raises:
        ModelError: no parameter can move, or only those of a head.
    """
    trainable, everything = _trainable(module), sum(weight.numel() for weight in module.parameters())
    if not all(_trainable(_encoder_of(model)) for model in models):
        what = f"only {trainable} of {everything} parameters can move" if trainable else "no parameter can move"
        raise ModelError(
            f"the encoder of {base} is frozen: {what}, none of an encoder; "
            "unfreeze its weights, or set lora_rank to train an adapter on them"
        )
    logger.info("training %s of %s parameters", f"{trainable:,}", f"{everything:,}")
    return {"trainable_parameters": trainable, "parameters": everything}


def _trainable(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


def _encoder_of(model: Any) -> nn.Module:
    """Return a model without its head; an adapter's layers are within it."""
    whole = model.get_base_model() if hasattr(model, "peft_config") else model
    encoder: nn.Module = whole.base_model
    return encoder
