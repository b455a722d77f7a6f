"""What a kind of vector index knows of itself: how it is built and opened, whether it is exact, and what it costs."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from dpr.errors import ConfigError
from dpr.types import FloatArray, RankArray, VectorIndex

LARGEST = 2**31 - 1
"""Greatest value of a parameter: FAISS holds them in 32 bits."""


def parameter(default: int, *, least: int = 1, meaning: str) -> int:
    """Declare a parameter of a kind: a field with its default, its least value and what it means."""
    field: int = dataclasses.field(default=default, metadata={"least": least, "meaning": meaning})
    return field


@dataclass(frozen=True, slots=True)
class BuildSpeed:
    """How fast this machine builds vector indexes.

    Attributes:
        operations_per_s: float32 operations of a matrix product in a second.
        trial_vectors: vectors that one index of the kind was built over.
        trial_s: seconds that this took.
    """

    operations_per_s: float
    trial_vectors: int
    trial_s: float


@dataclass(frozen=True)
class IndexKind(ABC):
    """A way to search vectors by inner product, with its parameters, which are its fields.

    A new kind is a subclass in a module of its own and an entry in `dpr.dense.kinds.KINDS`. What it writes is named by
    ``name`` and its parameters in the manifest of an index, so neither may change its meaning.

    Raises:
        ConfigError: a parameter is out of range.
    """

    name: ClassVar[str]
    """Its key in the registry, in manifests and on command lines."""

    summary: ClassVar[str]
    """What it does, in a phrase for help and documentation."""

    is_exact: ClassVar[bool] = False
    """Whether it finds all of the nearest; the recall of other kinds is measured."""

    is_auto_candidate: ClassVar[bool] = False
    """Whether it is built and measured where the fastest kind is to be chosen."""

    reads_all_vectors: ClassVar[bool] = False
    """Whether searches read vectors all over their file, which then should stay in memory."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), field.metadata["least"]
            if not least <= value <= LARGEST:
                raise ConfigError(
                    f"{field.name} ({field.metadata['meaning']}) is {value}; choose from {least} to {LARGEST}"
                )

    @property
    def parameters(self) -> dict[str, int]:
        """All parameters by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def meanings(self) -> dict[str, str]:
        """What each parameter means, by name."""
        return {field.name: field.metadata["meaning"] for field in dataclasses.fields(self)}

    def with_parameters(self, parameters: Mapping[str, int]) -> Self:
        """Return the kind with other values of some parameters.

        Raises:
            ConfigError: a parameter is unknown or out of range.
        """
        for name in parameters:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ConfigError(f"the dense kind {self.name!r} has no parameter {name!r}; its parameters: {known}")
        return dataclasses.replace(self, **parameters)

    @abstractmethod
    def build(self, vectors: FloatArray, path: Path) -> None:
        """Write to ``path`` what searching vectors (P, D) needs beside them; a kind may need nothing.

        Raises:
            ConfigError: a parameter does not suit vectors of D numbers; see `check_dimension`.
        """

    @abstractmethod
    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Return the search over the vectors that it was built from; ``id_rank`` (P,) orders equal scores.

        Raises:
            IndexFormatError: the file is absent, damaged, or of other vectors.
        """

    def check_dimension(self, dimension: int) -> None:  # noqa: B027 - most parameters suit vectors of any dimension
        """Refuse parameters that do not suit vectors of so many numbers, before the vectors are made.

        Raises:
            ConfigError: one does not.
        """

    @abstractmethod
    def disk_bytes(self, vectors: int, dimension: int) -> float:
        """Return the bytes of what `build` writes."""

    @abstractmethod
    def memory_bytes(self, vectors: int, dimension: int) -> float:
        """Return the memory that `build` takes, mapped vectors not counted."""

    def build_seconds(self, vectors: int, dimension: int, speed: BuildSpeed) -> float:  # noqa: ARG002
        """Return the seconds that `build` takes: as long for a vector as in the trial, unless it knows better."""
        return speed.trial_s * vectors / speed.trial_vectors

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:  # noqa: ARG002
        """Yield series of ever wider searches of what was built; a series is left where it reaches a target recall."""
        yield (self,)
