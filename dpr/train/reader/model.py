"""The network at the start of a reader's training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from dpr.errors import ModelError
from dpr.models.adapters import add_lora, lora_scale
from dpr.models.checkpoint import (
    base_name,
    content_hash,
    first_line,
    is_adapter,
    load_model,
    next_base,
    quiet_transformers,
    read_json,
    resolve,
)
from dpr.reader.extractive.model import ReaderNetwork, load_heads, make_relevance_head
from dpr.train.reader.settings import ReaderTraining
from dpr.train.trainable import set_up_model


def make_network(training: ReaderTraining) -> ReaderNetwork:
    """Return the base with new heads, or with the weights of the reader to start from.

    Raises:
        ModelError: the base cannot be loaded, or that reader has another base or shape.
    """
    from transformers import AutoModelForQuestionAnswering

    model = load_model(AutoModelForQuestionAnswering, resolve(training.base), new_head=True)
    set_up_model(model, training.dropout)
    relevance = make_relevance_head(model) if training.relevance_head else None
    if training.lora_rank:
        options = {"task_type": "QUESTION_ANS", "modules_to_save": ["qa_outputs"]}
        with quiet_transformers():
            model = add_lora(model, training.lora_rank, training.lora_alpha, training.base, **options)
    network = ReaderNetwork(model, relevance)
    if training.start_from:
        _start_from(network, resolve(training.start_from), resolve(training.base))
    return network


def _start_from(network: ReaderNetwork, directory: Path, base: Path) -> None:
    is_adapted = hasattr(network.model, "peft_config")
    if is_adapter(directory) != is_adapted:
        cause = "it has whole weights" if is_adapted else "it is an adapter, but all weights are to be trained"
        raise _unfit(directory, cause)
    own_base = next_base(directory)
    if own_base is not None and content_hash(own_base) != content_hash(base):
        raise _unfit(directory, f"it is an adapter of {base_name(directory)}, which is another base")
    load = _load_adapter if is_adapted else _load_whole
    try:
        load(network.model, directory)
    except (OSError, SafetensorError, RuntimeError) as error:
        cause = "its weights have other shapes" if "size mismatch" in str(error) else first_line(error)
        raise _unfit(directory, cause) from error
    load_heads(network, directory)


def _unfit(directory: Path, cause: str) -> ModelError:
    return ModelError(f"training cannot start from {directory}: {cause}; give a reader of the same base and lora_rank")


def _load_adapter(model: Any, directory: Path) -> None:
    from peft import set_peft_model_state_dict

    # Another lora_alpha than before would multiply what the adapter adds.
    factor = lora_scale(read_json(directory / "adapter_config.json")) / lora_scale(vars(model.peft_config["default"]))
    saved = {
        name: weight.float() * (factor if ".lora_B." in name else 1.0)
        for name, weight in load_file(directory / "adapter_model.safetensors").items()
    }
    loaded: Any = set_peft_model_state_dict(model, saved)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    if unmatched := [*loaded.unexpected_keys, *sorted(trained & set(loaded.missing_keys))]:
        raise _unfit(directory, f"{unmatched[0]} is in only one of the two")


def _load_whole(model: Any, directory: Path) -> None:
    model.load_state_dict(load_model(type(model), directory).state_dict())
