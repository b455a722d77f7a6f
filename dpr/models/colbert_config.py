"""How a late-interaction model reads questions and passages, from the files of three libraries.

* PyLate: ``config_sentence_transformers.json`` has prefixes, which are inserted as one token after the first one, and
  lengths; the modules are a Transformer and one or more Dense.
* sentence-transformers (``MultiVectorEncoder``): prefixes are prompts; ``sentence_bert_config.json`` has the lengths
  and the expansion of questions, and a MultiVectorMask the tokens of passages that are skipped.
* the original ColBERT: ``artifact.metadata``, and the projection among the weights of the language model.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpr.errors import ModelError
from dpr.models.checkpoint import optional_json, read_json
from dpr.models.learned_files import ModuleEntry, module_entries, saved_prompts, saved_settings
from dpr.models.sentence_transformers import length_of, transformer_settings

METADATA_FILE = "artifact.metadata"
QUESTION_TOKENS, PASSAGE_TOKENS = 32, 180
"""The lengths where none are recorded, as in PyLate."""

_PYLATE_KEYS = {"query_prefix", "document_prefix", "do_query_expansion", "attend_to_expansion_tokens", "skiplist_words"}


@dataclass(frozen=True, slots=True)
class ColbertConfig:
    """How questions and passages are read.

    Attributes:
        question_marker: the token after the first one of a question; empty for none.
        passage_marker: the token after the first one of a passage; empty for none.
        question_prompt: text put before every question.
        passage_prompt: text put before every passage.
        question_tokens: how many tokens of a question are read, special tokens and marker included.
        passage_tokens: how many tokens of a passage are read, special tokens and marker included.
        expanded_tokens: a shorter question is filled up with `expansion_token` to this many; 0: none is.
        attends_to_expansion: whether the other tokens see these.
        expansion_token: the token; empty: the mask token of the tokenizer.
        skipped_words: tokens of passages that get no vector.
    """

    question_marker: str = ""
    passage_marker: str = ""
    question_prompt: str = ""
    passage_prompt: str = ""
    question_tokens: int = QUESTION_TOKENS
    passage_tokens: int = PASSAGE_TOKENS
    expanded_tokens: int = QUESTION_TOKENS
    attends_to_expansion: bool = False
    expansion_token: str = ""
    skipped_words: tuple[str, ...] = ()


def colbert_config(directory: Path) -> ColbertConfig:
    """Return how a folder's model reads texts.

    Raises:
        ModelError: the folder is no late-interaction model, or needs an unsupported feature.
    """
    settings = saved_settings(directory)
    if is_original(directory):
        return _original_config(optional_json(directory / METADATA_FILE))
    kind = settings.get("model_type")
    if settings.get("similarity_fn_name") == "meanmaxsim":
        raise ModelError(f"{directory} compares by the mean of MaxSim, which is not supported; choose another model")
    if kind == "ColBERT" or _PYLATE_KEYS & settings.keys():
        return _pylate_config(settings)
    if kind == "MultiVectorEncoder":
        return _multi_vector_config(directory)
    raise ModelError(
        f"{directory} is no late-interaction model: it has neither the files of PyLate, nor of a MultiVectorEncoder of "
        "sentence-transformers, nor of the original ColBERT; choose another model"
    )


def is_original(directory: Path) -> bool:
    """Tell whether a folder is a checkpoint of the original ColBERT code."""
    architectures = optional_json(directory / "config.json").get("architectures") or []
    return "HF_ColBERT" in architectures and not module_entries(directory)


def projection_entries(directory: Path) -> list[ModuleEntry]:
    """Return the Dense modules of a folder in their order.

    Raises:
        ModelError: the folder has other modules than late interaction needs.
    """
    entries = module_entries(directory)
    kinds = [entry.kind for entry in entries]
    allowed = {"Dense", "MultiVectorMask", "Normalize"}
    if kinds[:1] != ["Transformer"] or entries[0].folder != directory or set(kinds[1:]) - allowed:
        raise ModelError(
            f"{directory} has the modules {', '.join(kinds)}, but only a Transformer in the folder itself and "
            f"{', '.join(sorted(allowed))} are supported; choose another model"
        )
    return [entry for entry in entries if entry.kind == "Dense"]


def _original_config(metadata: Mapping[str, Any]) -> ColbertConfig:
    return ColbertConfig(
        question_marker=metadata.get("query_token_id") or "[unused0]",
        passage_marker=metadata.get("doc_token_id") or "[unused1]",
        question_tokens=metadata.get("query_maxlen") or QUESTION_TOKENS,
        passage_tokens=metadata.get("doc_maxlen") or PASSAGE_TOKENS,
        expanded_tokens=metadata.get("query_maxlen") or QUESTION_TOKENS,
        attends_to_expansion=bool(metadata.get("attend_to_mask_tokens")),
        skipped_words=tuple(string.punctuation) if metadata.get("mask_punctuation", True) else (),
    )


def _pylate_config(settings: Mapping[str, Any]) -> ColbertConfig:
    question_tokens = settings.get("query_length") or QUESTION_TOKENS
    expands = settings.get("do_query_expansion") is not False
    skipped_words = settings.get("skiplist_words")
    prompts = settings.get("prompts") or {}
    return ColbertConfig(
        question_marker=_text(settings, "query_prefix", "[Q] "),
        passage_marker=_text(settings, "document_prefix", "[D] "),
        question_prompt=prompts.get("query") or "",
        passage_prompt=prompts.get("document") or "",
        question_tokens=question_tokens,
        passage_tokens=settings.get("document_length") or PASSAGE_TOKENS,
        expanded_tokens=question_tokens if expands else 0,
        attends_to_expansion=expands and bool(settings.get("attend_to_expansion_tokens")),
        skipped_words=tuple(string.punctuation if skipped_words is None else skipped_words),
    )


def _text(settings: Mapping[str, Any], name: str, default: str) -> str:
    value = settings.get(name)
    return default if value is None else str(value)


def _multi_vector_config(directory: Path) -> ColbertConfig:
    settings = transformer_settings(directory, understood=("query_expansion",))
    expansion = settings.get("query_expansion") or {}
    length, prompts = length_of(directory, settings), saved_prompts(directory)
    question_tokens = settings.get("query_length") or length
    if expansion.get("strategy") == "fixed":
        question_tokens = expansion["length"]
    return ColbertConfig(
        question_prompt=prompts.question,
        passage_prompt=prompts.passage,
        question_tokens=max(question_tokens, expansion.get("length") or 0),
        passage_tokens=settings.get("document_length") or length,
        expanded_tokens=expansion.get("length") or 0,
        attends_to_expansion=bool(expansion.get("attend")),
        expansion_token=expansion.get("token") or "",
        skipped_words=_skipped_words(directory),
    )


def _skipped_words(directory: Path) -> tuple[str, ...]:
    masks = [entry for entry in module_entries(directory) if entry.kind == "MultiVectorMask"]
    mask = read_json(masks[0].folder / "config.json") if masks else {}
    if mask.get("keep_only_token_ids") or mask.get("skiplist_tasks", ["document"]) != ["document"]:
        raise ModelError(
            f"{directory} skips tokens of questions, or keeps only some tokens, which is not supported; choose another "
            "model"
        )
    return tuple(mask.get("skiplist_words") or ())
