"""Adapt a BERT to a language or a domain: new WordPieces, then masked-language-model training on plain text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from dpr.errors import ConfigError
from dpr.models.checkpoint import load_model, load_tokenizer, resolve, save_tokenizer
from dpr.models.pair import question_encoder
from dpr.models.positions import longest_input
from dpr.models.sentence_transformers import MODULES_FILE, is_sentence_transformers
from dpr.models.soundness import check_vocabulary
from dpr.text.korean import shared_morphemes
from dpr.train.adaptation.masking import masking_of
from dpr.train.adaptation.settings import Adaptation
from dpr.train.adaptation.step import SPECIAL_TOKENS, MaskedBatch, MaskedObjective
from dpr.train.adaptation.token_windows import read_windows
from dpr.train.adaptation.vocabulary import extend_vocabulary, resize_embeddings
from dpr.train.adaptation.wordpieces import PieceCounts, no_bounds
from dpr.train.engine import Run, RunOptions, Trainee, run_training
from dpr.train.hashing_corpus import HashingCorpus, Texts, all_texts, by_source
from dpr.train.record import base_hash
from dpr.train.step import autocast
from dpr.train.trainable import count_trainable
from dpr.train.vocabulary_fit import TEXTS, warn_of_splits
from dpr.types import Progress

__all__ = ["Adaptation", "adapt"]

_LEARNERS = ("tokenizers", "kiwipiepy")
"""Libraries that learn a vocabulary; their versions identify a run."""

_SENTENCE_TRANSFORMERS = (MODULES_FILE, "sentence_*_config.json", "config_sentence_transformers.json")


def adapt(
    texts: Texts,
    output: Path,
    settings: Adaptation,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> dict[str, object]:
    """Adapt a base to texts, save it to ``output`` as a checkpoint, and return the record; see `run_training`.

    The checkpoint has whole weights, the tokenizer, ``training.json`` (the record and the new pieces) and the pooling
    of a base in a sentence-transformers folder. With held-out texts the best weights are saved, else the last ones. If
    the base is a pair, its question encoder is adapted. The texts are read more than once.

    Raises:
        DataError: there is no text, or none in the script whose vocabulary is to be learned.
        ConfigError: a setting does not fit the base, or see `run_training`.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
    """
    settings = replace(settings, base=question_encoder(settings.base))
    sources = by_source(texts)
    for _ in all_texts(sources):
        pass  # a complete pass gives each source its digest
    origin = {
        "base_sha256": base_hash(settings.base),
        "sources": {name: asdict(source.digest) for name, source in sources.items()},
        "versions": _versions(_LEARNERS),
    }
    prepare = partial(_prepare, sources, settings)
    record = run_training(output, settings, origin, [settings.base], prepare, options)
    return {name: value for name, value in record.items() if name != "pieces"}


def _prepare(sources: Mapping[str, HashingCorpus], settings: Adaptation, run: Run) -> Trainee[MaskedBatch]:
    base = resolve(settings.base)
    old = load_tokenizer(base)
    old.backend_tokenizer.no_truncation()
    old.backend_tokenizer.no_padding()
    tokenizer, pieces = _extend(old, sources, settings, run.progress)
    every = max(1, sum(source.digest.texts for source in sources.values()) // TEXTS)
    warn_of_splits(tokenizer, islice(all_texts(sources), 0, None, every), settings.base)
    model = _make_model(base, settings)
    check_vocabulary(old, model, base)
    resize_embeddings(model, old, tokenizer)
    model.to(run.device).train()
    save = partial(_save, model, tokenizer, base)
    facts: dict[str, object] = {
        "vocabulary": {"before": len(old), "added": len(pieces), "after": len(tokenizer)},
        "pieces": pieces,
        "versions": _versions(("torch", "transformers", *_LEARNERS)),
    }
    if settings.max_steps == 0:
        return Trainee(model, None, save, lambda: facts)
    facts |= count_trainable(model, [model], settings.base)
    windows = read_windows(tokenizer, all_texts(sources), settings.max_tokens - SPECIAL_TOKENS, run.progress)
    masking = masking_of(
        tokenizer.convert_ids_to_tokens(range(len(tokenizer))),
        tokenizer.all_special_ids,
        tokenizer.mask_token_id,
        settings.mask_share,
        settings.whole_words,
    )
    objective = MaskedObjective(model, tokenizer, masking, windows, settings, run.processes)

    def measure() -> dict[str, float]:
        with autocast(run.device, run.precision):
            return objective.measure()

    facts |= {"windows": len(windows), "tokens": len(windows.tokens)}
    if not objective.has_held_out:
        return Trainee(model, objective, save, lambda: facts)
    facts["before"] = measure()
    return Trainee(model, objective, save, lambda: facts, measure)


def _versions(libraries: Iterable[str]) -> dict[str, str]:
    return {name: version(name) for name in libraries}


def _extend(
    old: Any, sources: Mapping[str, HashingCorpus], settings: Adaptation, progress: Progress
) -> tuple[Any, list[str]]:
    if settings.vocabulary_size is None:
        return old, []
    return extend_vocabulary(
        old,
        _with_progress(all_texts(sources), progress),
        PieceCounts(settings.vocabulary_size, settings.characters, settings.min_frequency),
        settings.script,
        shared_morphemes().bounds if settings.morphemes and settings.script == "hangul" else no_bounds,
    )


def _with_progress(texts: Iterable[str], progress: Progress) -> Iterator[str]:
    for number, text in enumerate(texts, start=1):
        if number % 1000 == 0:
            progress("vocabulary", number, None)
        yield text


def _make_model(base: Path, settings: Adaptation) -> Any:
    """Load the base with its head, or with a new one, whose decoder is tied to the word embeddings."""
    from transformers import AutoModelForMaskedLM

    model = load_model(AutoModelForMaskedLM, base, new_head=True)
    longest = longest_input(model) or settings.max_tokens
    if settings.max_tokens > longest:
        raise ConfigError(
            f"max_tokens is {settings.max_tokens}, but {settings.base} reads at most {longest} tokens; lower it"
        )
    for module in model.modules():
        if isinstance(module, nn.Dropout):  # the configuration keeps the base's, for those who train on
            module.p = settings.dropout
    return model


def _save(model: Any, tokenizer: Any, base: Path, output: Path) -> None:
    model.save_pretrained(output)
    save_tokenizer(tokenizer, output)
    if not is_sentence_transformers(base):
        return
    for pattern in _SENTENCE_TRANSFORMERS:
        for path in base.glob(pattern):
            shutil.copyfile(path, output / path.name)
    modules = json.loads((base / MODULES_FILE).read_text(encoding="utf-8"))
    for path in (module["path"] for module in modules if module["path"]):
        if (base / path).is_dir():
            shutil.copytree(base / path, output / path, dirs_exist_ok=True)
