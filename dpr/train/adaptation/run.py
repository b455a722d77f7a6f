"""Adaptation of a BERT to a language or a domain: new WordPieces, then masked-language-model training on plain text."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dpr.errors import ConfigError
from dpr.models.backends import choose_device
from dpr.models.checkpoint import content_hash, load_model, load_tokenizer, resolve, save_tokenizer
from dpr.models.pair import question_encoder
from dpr.models.positions import longest_input
from dpr.models.sentence_transformers import MODULES_FILE, is_sentence_transformers
from dpr.models.soundness import check_vocabulary
from dpr.text.korean import shared_morphemes
from dpr.train.adaptation.loop import MaskedLoop
from dpr.train.adaptation.masking import masking_of
from dpr.train.adaptation.settings import Adaptation
from dpr.train.adaptation.token_windows import TokenWindows, read_windows
from dpr.train.adaptation.vocabulary import extend_vocabulary, resize_embeddings
from dpr.train.adaptation.wordpieces import no_bounds
from dpr.train.distributed import Processes
from dpr.train.memory import check_step
from dpr.train.run_folder import RunFolder
from dpr.train.seen_texts import SeenTexts, Texts, all_texts, by_source
from dpr.train.trainable import count_trainable
from dpr.train.vocabulary_fit import TEXTS, warn_of_splits
from dpr.types import Progress, no_progress

__all__ = ["Adaptation", "adapt"]

_SPECIAL_TOKENS = 2
_SENTENCE_TRANSFORMERS = (MODULES_FILE, "sentence_*_config.json", "config_sentence_transformers.json")


def adapt(
    texts: Texts, output: Path, settings: Adaptation, progress: Progress = no_progress, overwrite: bool = False
) -> dict[str, object]:
    """Adapt a base to texts and save it to ``output`` as a Hugging Face checkpoint; return a summary of the run.

    The checkpoint has whole weights, the tokenizer, ``training.json`` (this summary and the new pieces) and, where the
    base is a sentence-transformers folder, its pooling. A run that was killed goes on from its last checkpoint when it
    is called again with the same arguments, to the same weights. A run that ``output`` holds finished is not repeated,
    unless ``overwrite`` is set. Each step is a line in ``output/log.jsonl``. If the base is a pair, its question
    encoder is adapted. Texts are read more than once.

    Raises:
        DataError: there is no text, or none in the script whose vocabulary is to be learned.
        ConfigError: a setting does not fit the base, a step does not fit in memory, or ``output`` is the base, or holds
            another model or run and ``overwrite`` is not set.
        ModelError: the base cannot be loaded or is frozen, or the loss is not finite.
    """
    started = time.monotonic()
    settings = replace(settings, base=question_encoder(settings.base))
    base = resolve(settings.base)
    sources = by_source(texts)
    identity = {"training": asdict(settings), "base_sha256": content_hash(base)}
    folder = RunFolder(output, _run_identity(identity, sources), overwrite, Processes())
    finished = folder.finished([settings.base])
    if finished is not None:
        return finished
    old = load_tokenizer(base)
    old.backend_tokenizer.no_truncation()
    old.backend_tokenizer.no_padding()
    tokenizer, pieces = _extend(old, sources, settings, progress)
    every = max(1, sum(source.seen.texts for source in sources.values()) // TEXTS)
    warn_of_splits(tokenizer, islice(all_texts(sources), 0, None, every), settings.base)
    model = _make_model(base, settings)
    check_vocabulary(old, model, base)
    resize_embeddings(model, old, tokenizer)
    folder.begin()
    trained = _train(model, tokenizer, sources, folder, settings, progress)
    _save(model, tokenizer, base, output)
    summary = identity | {
        "sources": {name: asdict(source.seen) for name, source in sources.items()},
        "vocabulary": {"before": len(old), "added": len(pieces), "after": len(tokenizer)},
        **trained,
        "run": folder.run,
        "seconds": round(time.monotonic() - started, 1),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    folder.finish(summary | {"pieces": pieces})
    return summary


def _extend(
    old: Any, sources: Mapping[str, SeenTexts], settings: Adaptation, progress: Progress
) -> tuple[Any, list[str]]:
    if settings.vocabulary_size is None:
        return old, []
    return extend_vocabulary(
        old,
        _told(all_texts(sources), progress),
        settings.vocabulary_size,
        settings.script,
        settings.min_frequency,
        settings.characters,
        shared_morphemes().bounds if settings.morphemes and settings.script == "hangul" else no_bounds,
    )


def _told(texts: Iterable[str], progress: Progress) -> Iterator[str]:
    for number, text in enumerate(texts, start=1):
        if number % 1000 == 0:
            progress("vocabulary", number, None)
        yield text


def _make_model(base: Path, settings: Adaptation) -> Any:
    """Load the base with a head whose decoder is tied to the word embeddings, new if it has none."""
    from transformers import AutoModelForMaskedLM

    torch.manual_seed(settings.seed)
    model = load_model(AutoModelForMaskedLM, base, new_head=True)
    longest = longest_input(model) or settings.max_tokens
    if settings.max_tokens > longest:
        raise ConfigError(
            f"max_tokens is {settings.max_tokens}, but {settings.base} reads at most {longest} tokens; lower it"
        )
    for module in model.modules():
        if isinstance(module, nn.Dropout):  # the configuration keeps the base's, for those who train on
            module.p = settings.dropout
    return model.to(choose_device())


def _train(
    model: Any,
    tokenizer: Any,
    sources: Mapping[str, SeenTexts],
    folder: RunFolder,
    settings: Adaptation,
    progress: Progress,
) -> dict[str, object]:
    """Train the model on the texts as far as is asked; return what the summary says of that."""
    if settings.max_steps == 0:
        return {"steps": 0}
    counts = count_trainable(model, [model], settings.base)
    windows = read_windows(tokenizer, all_texts(sources), settings.max_tokens - _SPECIAL_TOKENS, progress)
    loop = _loop(model, tokenizer, windows, settings)
    memory = check_step(loop.memory(), model.device, Processes(), "lower batch_tokens or max_tokens")
    before = loop.evaluate()
    after = loop.run(folder.path, folder.run, progress)
    return {
        **counts,
        "memory": memory,
        "steps": len(loop.batches),
        "windows": len(windows),
        "tokens": len(windows.tokens),
        "before": before,
        "after": after,
    }


def _loop(model: Any, tokenizer: Any, windows: TokenWindows, settings: Adaptation) -> MaskedLoop:
    masking = masking_of(
        tokenizer.convert_ids_to_tokens(range(len(tokenizer))),
        tokenizer.all_special_ids,
        tokenizer.mask_token_id,
        settings.mask_share,
        settings.whole_words,
    )
    return MaskedLoop(model, tokenizer, masking, windows, settings)


def _run_identity(identity: Mapping[str, object], sources: Mapping[str, SeenTexts]) -> str:
    """Read all texts, and return a hash of them, of the settings and of the libraries that learn a vocabulary."""
    learners = [version(name) for name in ("tokenizers", "kiwipiepy")]
    digest = hashlib.sha256(json.dumps([identity, learners], sort_keys=True).encode())
    for _ in all_texts(sources):
        pass
    for source in sources.values():
        digest.update(source.seen.sha256.encode())
    return digest.hexdigest()[:16]


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
