"""The original DPR checkpoints (Karpukhin et al. 2020), as ``facebook/dpr-question_encoder-*`` and ``-ctx_encoder-*``.

Their BERT lies under ``question_encoder.bert_model.`` or ``ctx_encoder.bert_model.``, its [CLS] state is the vector,
perhaps after a linear projection, and vectors are compared by inner product as they are. A checkpoint is one of
the two encoders, so that a pair is ``QUESTION,PASSAGE``. Loaded, it is a plain BERT, which trains and saves as any
other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from torch import nn
from transformers import AutoModel, BertConfig, BertModel, DPRContextEncoder, DPRQuestionEncoder

from dpr.errors import ModelError
from dpr.models.checkpoint import base_of, optional_json
from dpr.models.text_encoder import EncoderConfig

DPR_CONFIG = EncoderConfig(pooling="cls", normalize=False, question_tokens=256, passage_tokens=256)
"""As the original code trained and encoded: 256 tokens of a question and of a passage."""

_QUESTION, _PASSAGE = "DPRQuestionEncoder", "DPRContextEncoder"
_NOT_OF_BERT = ("architectures", "model_type")


def is_dpr_checkpoint(directory: Path) -> bool:
    """Tell whether a model, or the base that it builds on, is an original DPR encoder."""
    return _architecture(directory) in _CLASSES


def refuse_swapped(question_dir: Path, passage_dir: Path) -> None:
    """Refuse two encoders that were given in the wrong order: each would work in the other's role, but badly.

    Raises:
        ModelError: an encoder was trained for the other role.
    """
    for directory, wrong_class, role in ((question_dir, _PASSAGE, "question"), (passage_dir, _QUESTION, "passage")):
        if _architecture(directory) == wrong_class:
            raise ModelError(
                f"{directory} is a {wrong_class} in place of the {role} encoder; give QUESTION,PASSAGE in this order"
            )


def encoder_class(directory: Path) -> Any:
    """Return the class whose ``from_pretrained`` loads an encoder's BERT, for `load_model`.

    A T5 is loaded as its encoder alone.

    Raises:
        ModelError: the model has an encoder and a decoder, and is no T5.
    """
    if (original := _CLASSES.get(_architecture(directory))) is not None:
        return original
    config = optional_json(base_of(directory) / "config.json")
    if (encoder := _ENCODERS.get(config.get("model_type", ""))) is not None:
        return getattr(transformers, encoder)
    if config.get("is_encoder_decoder"):
        raise ModelError(
            f"{directory} is a {config.get('model_type')} of encoder and decoder, which is not supported; "
            f"choose another encoder ({', '.join(_ENCODERS)} are supported)"
        )
    return AutoModel


class ProjectedBert(BertModel):
    """A BERT whose token states go through DPR's ``encode_proj``: (N, T, hidden size) -> (N, T, projection_dim)."""

    def __init__(self, config: BertConfig, add_pooling_layer: bool = False) -> None:
        super().__init__(config, add_pooling_layer)
        self.encode_proj = nn.Linear(config.hidden_size, config.projection_dim)

    def forward(self, *inputs: Any, **named_inputs: Any) -> Any:
        """Return BERT's output with the projected states."""
        output = super().forward(*inputs, **named_inputs)
        output.last_hidden_state = self.encode_proj(output.last_hidden_state)
        return output


class _OriginalEncoder:
    """Loads an encoder in its published layout and returns its BERT."""

    def __init__(self, layout: Any) -> None:
        self.__name__ = layout.__name__
        self._layout = layout

    def from_pretrained(self, directory: Path, **options: Any) -> tuple[BertModel, dict[str, Any]]:
        """Return the BERT and what the library says of loading it, as ``from_pretrained`` of transformers does."""
        model, loading = self._layout.from_pretrained(directory, **options)
        encoder = getattr(model, model.base_model_prefix)
        values = model.config.to_dict()
        config = BertConfig(**{name: value for name, value in values.items() if name not in _NOT_OF_BERT})
        config.name_or_path = str(directory)  # an adapter trained on it names its base by this
        bert = ProjectedBert(config) if encoder.projection_dim else BertModel(config, add_pooling_layer=False)
        state = encoder.state_dict()
        bert.load_state_dict({name.removeprefix("bert_model."): weight for name, weight in state.items()})
        return bert, loading


_ENCODERS = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
    "longt5": "LongT5EncoderModel",
    "switch_transformers": "SwitchTransformersEncoderModel",
}
"""Classes of the encoder alone, by the model type of encoder and decoder."""

_CLASSES: dict[str, Any] = {
    _QUESTION: _OriginalEncoder(DPRQuestionEncoder),
    _PASSAGE: _OriginalEncoder(DPRContextEncoder),
    "ProjectedBert": ProjectedBert,
}


def _architecture(directory: Path) -> str:
    """Return the class of model that a directory's configuration names; empty where it names none."""
    config = optional_json(base_of(directory) / "config.json")
    return next(iter(config.get("architectures") or ()), "")
