"""The files of the sentence-transformers package beside a checkpoint: pooling, prompts and lengths of an encoder.

All forms that the package has saved can be read. A folder that needs an unsupported feature is refused. Files are
written in the older form, which all releases read.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dpr.errors import ModelError
from dpr.models.checkpoint import base_of, first_line, optional_json, read_json
from dpr.models.head import MODULES, Head, Normalize
from dpr.models.pooling import POOLINGS, pooling_modes
from dpr.models.text_encoder import EncoderConfig

_PACKAGE = "sentence_transformers.models"

UNLIMITED = 1_000_000
"""The length in tokens if none is recorded; the model's positions may be fewer."""

MODULES_FILE, SETTINGS_FILE = "modules.json", "config_sentence_transformers.json"
_TRANSFORMER_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
QUESTION_PROMPTS, PASSAGE_PROMPTS = ("query", "question"), ("document", "passage", "corpus")
_SIMILARITIES = ("cosine", "dot")

_SWITCHES = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
"""Pooling modes in the older form."""

_HARMLESS = {
    "model": {"dtype", "torch_dtype", "attn_implementation", "add_pooling_layer", "use_safetensors"},
    "processor": {"use_fast", "padding_side", "model_max_length"},
    "config": {"use_cache"},
}
"""Arguments of a Transformer module that change no vector or are read elsewhere; others are refused."""

PLAIN_STATES, WORD_LOGITS = "feature-extraction", "fill-mask"
_PLAIN_TEXT = {
    PLAIN_STATES: {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    WORD_LOGITS: {"text": {"method": "forward", "method_output_name": "logits"}},
}
_IGNORED = {"transformer_task", "module_output_name", "unpad_inputs", "cache_dir", "max_seq_length", "do_lower_case"}
_LENGTHS = {"query_length", "document_length"}

logger = logging.getLogger(__name__)


def is_sentence_transformers(directory: Path) -> bool:
    """Tell whether a directory has the files of the sentence-transformers package."""
    return (directory / MODULES_FILE).is_file()


def read_config(directory: Path, config: EncoderConfig) -> EncoderConfig:
    """Return ``config`` with pooling, prompts and lengths of a sentence-transformers directory.

    Raises:
        ModelError: a file cannot be read, or needs an unsupported feature.
    """
    modules = _modules(directory)
    settings = optional_json(directory / SETTINGS_FILE)
    kind, similarity = settings.get("model_type"), settings.get("similarity_fn_name")
    if kind not in (None, "SentenceTransformer"):
        raise ModelError(f"{directory} is a {kind}, which does not encode texts as vectors; choose another encoder")
    if similarity not in (None, *_SIMILARITIES):
        raise ModelError(
            f"{directory} compares vectors by {similarity} distance, but an index compares them by inner product; "
            "choose another encoder"
        )
    is_normalized = modules[-1][0] == "Normalize"
    if similarity == "cosine" and not is_normalized:
        logger.warning(
            "%s compares vectors by cosine but does not normalize them, and an index compares them by inner product; "
            "save it with a Normalize module to get the same order",
            directory,
        )
    recorded = settings.get("prompts") or {}
    prompts = {name: str(text) for name, text in recorded.items() if text}
    if prompts and not prompts.keys() & {*QUESTION_PROMPTS, *PASSAGE_PROMPTS}:
        logger.warning(
            "%s records prompts for %s but none for queries or documents; choose some with --question-prompt and "
            "--passage-prompt",
            directory,
            ", ".join(prompts),
        )
    settings_of_model, length = transformer_settings(directory), recorded_length(directory)
    return replace(
        config,
        pooling=_read_pooling(directory / modules[1][1]),
        normalize=is_normalized,
        question_tokens=settings_of_model.get("query_length") or length,
        passage_tokens=settings_of_model.get("document_length") or length,
        question_prompt=recorded_prompt(directory, recorded, QUESTION_PROMPTS),
        passage_prompt=recorded_prompt(directory, recorded, PASSAGE_PROMPTS),
        dimension=settings.get("truncate_dim"),
    )


def recorded_prompt(directory: Path, recorded: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the first prompt under one of the names that is not empty, else an empty one.

    The package writes an empty ``query`` and ``document`` beside a ``question`` or ``passage``, and uses the latter.
    """
    name = next((name for name in names if recorded.get(name)), None)
    if name is None:
        return ""
    if empty := [earlier for earlier in names[: names.index(name)] if earlier in recorded]:
        logger.warning(
            "%s records the prompt %r for %r and an empty one for %r, which sentence-transformers 5 and later use; "
            "using the former (--question-prompt and --passage-prompt set another, or an empty one)",
            directory,
            recorded[name],
            name,
            empty[0],
        )
    return str(recorded[name])


def pools_prompts(directory: Path) -> bool:
    """Tell whether the pooling includes the tokens of a prompt."""
    if not is_sentence_transformers(directory):
        return True
    return bool(read_json(directory / _modules(directory)[1][1] / "config.json").get("include_prompt", True))


def read_head(directory: Path) -> Head:
    """Return the modules between pooling and normalization of a directory, or of its adapter's base.

    Raises:
        ModelError: a module is not supported, or its weights cannot be read.
    """
    if not is_sentence_transformers(directory):
        directory = base_of(directory)
        if not is_sentence_transformers(directory):
            return ()
    modules = _modules(directory)[2:]
    if modules and modules[-1][0] == "Normalize":  # the configuration says so
        modules = modules[:-1]
    return tuple(_read_module(kind, directory / path) for kind, path in modules)


def recorded_length(directory: Path) -> int:
    """Return the recorded length of a text in tokens, with special tokens.

    The model's positions may be fewer, and are the limit if no length is recorded.
    """
    return length_of(directory, transformer_settings(directory))


def length_of(directory: Path, settings: Mapping[str, Any]) -> int:
    """Return the length of a text in tokens by the settings of a directory's Transformer module, or its tokenizer."""
    length = settings.get("max_seq_length") or _arguments(settings, "processor").get("model_max_length")
    if length is None:
        length = optional_json(directory / "tokenizer_config.json").get("model_max_length")
    return min(int(length), UNLIMITED) if length else UNLIMITED


def _read_pooling(folder: Path) -> str:
    config = read_json(folder / "config.json")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for mode, switch in _SWITCHES.items() if config.get(switch)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    if unknown := [mode for mode in modes if mode not in POOLINGS]:
        raise ModelError(f"{folder} pools by {unknown[0]!r}, which is not supported; choose another encoder")
    return "+".join(modes)


def transformer_settings(directory: Path, task: str = PLAIN_STATES, understood: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of a directory's Transformer module, which must be recorded for a ``task``.

    The caller takes care of settings that it has ``understood``.

    Raises:
        ModelError: a setting needs an unsupported feature.
    """
    settings = next(filter(None, (optional_json(directory / name) for name in _TRANSFORMER_FILES)), {})
    refused = {
        name: value
        for name, value in settings.items()
        if value and name not in {*_IGNORED, *_LENGTHS, *understood} and not name.endswith(("_args", "_kwargs"))
    }
    if refused.get("modality_config") == _PLAIN_TEXT[task]:
        del refused["modality_config"]
    if settings.get("transformer_task", task) != task:
        refused["transformer_task"] = settings["transformer_task"]
    if settings.get("processing_kwargs"):
        refused["processing_kwargs"] = settings["processing_kwargs"]
    for section, harmless in _HARMLESS.items():
        arguments = _arguments(settings, section)
        refused |= {name: arguments[name] for name in arguments.keys() - harmless - {"trust_remote_code"}}
    if refused:
        name, value = next(iter(refused.items()))
        raise ModelError(
            f"{directory} sets {name} to {json.dumps(value)} for its model, which is not supported; "
            "choose another encoder"
        )
    return settings


def _arguments(settings: Mapping[str, Any], section: str) -> dict[str, Any]:
    older = {"model": "model_args", "processor": "tokenizer_args", "config": "config_args"}[section]
    return {**(settings.get(older) or {}), **(settings.get(f"{section}_kwargs") or {})}


def _modules(directory: Path) -> list[tuple[str, str]]:
    """Return the type and the folder of each module: Transformer, Pooling, and those of the head in order.

    Raises:
        ModelError: the list cannot be read, or has an unsupported module.
    """
    path = directory / MODULES_FILE
    try:
        entries = [(str(entry["type"]), str(entry["path"])) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as a list of modules: {first_line(error)}") from error
    kinds = [kind.rpartition(".")[2] for kind, _ in entries]
    for index, (kind, folder) in enumerate(entries):
        expected = {0: ("Transformer",), 1: ("Pooling",)}.get(index, (*MODULES, "Dropout"))
        is_own = kind.startswith("sentence_transformers.")
        if not is_own or kinds[index] not in expected or (folder and index == 0) or ".." in Path(folder).parts:
            raise ModelError(
                f"{path} lists {kind} in {folder or 'the folder itself'}, but only {' or '.join(expected)} is "
                "supported there; choose another encoder"
            )
    if len(entries) < 2:
        raise ModelError(f"{path} lists no Pooling, so the model has no vectors of texts; choose another encoder")
    return [(kind, folder) for kind, (_, folder) in zip(kinds, entries, strict=True) if kind != "Dropout"]


def _read_module(kind: str, folder: Path) -> Any:
    try:
        return MODULES[kind].load(str(folder)).requires_grad_(requires_grad=False)
    except ModelError:
        raise
    except Exception as error:  # a damaged file of weights fails in many ways
        raise ModelError(f"{folder} cannot be read as a {kind} ({first_line(error)}); save the model again") from error


def write_sentence_transformers_files(folder: Path, config: EncoderConfig, dimension: int, head: Head = ()) -> None:
    """Write ``modules.json`` and its modules beside a Hugging Face checkpoint with states of ``dimension`` numbers."""
    modules: list[Any] = [*head, *([Normalize()] if config.normalize else [])]
    names = ["Transformer", "Pooling", *(type(module).__name__ for module in modules)]
    paths = ["", *(f"{number}_{name}" for number, name in enumerate(names) if number)]
    entries = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_PACKAGE}.{name}"}
        for number, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    for kind in ("Pooling", *MODULES):
        for stale in folder.glob(f"[0-9]_{kind}"):
            shutil.rmtree(stale)
    for path in paths:
        (folder / path).mkdir(exist_ok=True)
    _write(folder / MODULES_FILE, entries)
    _write(folder / "1_Pooling" / "config.json", _pooling_config(config.pooling, dimension))
    _write(folder / "sentence_bert_config.json", {"max_seq_length": config.passage_tokens, "do_lower_case": False})
    write_prompts(folder, config)
    for path, module in zip(paths[2:], modules, strict=True):
        module.save(str(folder / path))


def write_prompts(folder: Path, config: EncoderConfig) -> None:
    """Write the prompts, the similarity and the dimension of an encoder beside a checkpoint."""
    settings: dict[str, object] = {
        "prompts": {"query": config.question_prompt, "document": config.passage_prompt},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine" if config.normalize else "dot",
    }
    _write(folder / SETTINGS_FILE, settings | ({"truncate_dim": config.dimension} if config.dimension else {}))


def _pooling_config(pooling: str, dimension: int) -> dict[str, object]:
    """Return a pooling in the older form, or in the newer one if the order of its modes needs that."""
    modes = pooling_modes(pooling)
    if modes == [mode for mode in _SWITCHES if mode in modes]:
        return {"word_embedding_dimension": dimension, **{_SWITCHES[mode]: mode in modes for mode in _SWITCHES}}
    return {"word_embedding_dimension": dimension, "pooling_mode": modes}


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
