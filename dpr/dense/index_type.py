"""An index type: how a vector index is built and opened, whether it is exact, and what it costs."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from dpr.errors import ConfigError
from dpr.types import FloatArray, Progress, RankArray, VectorIndex, WindowArray, no_progress

LARGEST = 2**31 - 1
"""Greatest value of a parameter: FAISS holds them in 32 bits."""


def parameter(default: int, *, least: int = 1, meaning: str) -> int:
    """Declare a parameter of an index type: a field with its default, its least value and its meaning."""
    field: int = dataclasses.field(default=default, metadata={"least": least, "meaning": meaning})
    return field


@dataclass(frozen=True, slots=True)
class BuildSpeed:
    """How fast this machine builds vector indexes.

    Attributes:
        operations_per_s: float32 operations of a matrix product in a second.
        trial_vectors: the number of vectors of a trial build.
        trial_s: seconds that the trial build took.
    """

    operations_per_s: float
    trial_vectors: int
    trial_s: float


def no_column(name: str) -> Any:
    """Refuse to return a field: there is none."""
    raise KeyError(name)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentContent:
    """The vectors of a segment, and what a database keeps beside them.

    Attributes:
        vectors: (V, D) float32, mapped or not.
        name: the name of the segment.
        windows: the row of the passage, and start and end in its text, of each vector, (V, 3); None: each passage has
            one vector.
        types: the type of each field that filters test, by name; a name in `dpr.metadata.FIELD_TYPE_NAMES`.
        column: returns the values of a field for all P passages, as an Arrow chunked array.
    """

    vectors: FloatArray
    name: str = "vectors"
    windows: WindowArray | None = None
    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    column: Callable[[str], Any] = no_column


@dataclass(frozen=True)
class IndexType(ABC):
    """A way to search vectors by inner product, with its parameters, which are its fields.

    A new index type is a subclass in a module of its own and an entry in `dpr.dense.index_types.INDEX_TYPES`. Manifests
    record ``name`` and the parameters, so their meaning must not change.

    Raises:
        ConfigError: a parameter is out of range.
    """

    name: ClassVar[str]
    """Its key in the registry, in manifests and on command lines."""

    summary: ClassVar[str]
    """A phrase for help and documentation."""

    is_exact: ClassVar[bool] = False
    """Whether it finds all of the nearest vectors; the recall of other index types is measured."""

    is_auto_candidate: ClassVar[bool] = False
    """Whether ``auto`` builds and measures it."""

    reads_all_vectors: ClassVar[bool] = False
    """Whether searches read the whole vectors file, which then should fit into memory."""

    is_external: ClassVar[bool] = False
    """Whether a database holds the index; the file of a segment then names its table."""

    exact_name: ClassVar[str] = "flat"
    """The index type that searches a few vectors of such an index exactly."""

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
        """The meaning of each parameter, by name."""
        return {field.name: field.metadata["meaning"] for field in dataclasses.fields(self)}

    def with_parameters(self, parameters: Mapping[str, int]) -> Self:
        """Return the index type with other values of some parameters.

        Raises:
            ConfigError: a parameter is unknown or out of range.
        """
        for name in parameters:
            if name not in self.parameters:
                names = ", ".join(self.parameters) or "none"
                raise ConfigError(f"the index type {self.name!r} has no parameter {name!r}; its parameters: {names}")
        return dataclasses.replace(self, **parameters)

    @abstractmethod
    def build(self, vectors: FloatArray, path: Path) -> None:
        """Write the file that a search needs beside the vectors (P, D), if the index type needs one.

        Raises:
            ConfigError: a parameter does not suit the dimension D; see `check_dimension`.
        """

    def build_segment(self, content: SegmentContent, path: Path, progress: Progress = no_progress) -> None:  # noqa: ARG002
        """Build the index of a segment: as `build` does, unless it keeps more of the segment than its vectors.

        Raises:
            ConfigError: a parameter does not suit the dimension; see `check_dimension`.
            StoreError: a database cannot be reached, or refuses.
        """
        self.build(content.vectors, path)

    def discard(self, table: str) -> None:  # noqa: B027 - files are removed by whoever made them
        """Remove a table from the database, if the index is in one.

        Raises:
            StoreError: the database cannot be reached, or refuses.
        """

    def check(self, vectors: FloatArray, path: Path) -> str:  # noqa: ARG002
        """Compare what a database holds with the vectors; return what was compared, empty for other index types.

        Raises:
            IndexFormatError: it holds something else.
            StoreError: the database cannot be reached, or refuses.
        """
        return ""

    @abstractmethod
    def open(self, vectors: FloatArray, path: Path, id_rank: RankArray | None = None) -> VectorIndex:
        """Return the search over the vectors that it was built from; ``id_rank`` (P,) orders equal scores.

        Raises:
            IndexFormatError: the file is absent, damaged, or of other vectors.
        """

    def check_dimension(self, dimension: int) -> None:  # noqa: B027 - most parameters suit any dimension
        """Refuse parameters that do not suit a dimension, before passages are encoded.

        Raises:
            ConfigError: a parameter does not suit it.
        """

    def check_reachable(self) -> None:  # noqa: B027 - most index types are files
        """Refuse a build whose database cannot be used, before passages are encoded.

        Raises:
            ConfigError: none is named, or it lacks an extension.
            StoreError: it cannot be reached, or refuses.
        """

    @abstractmethod
    def disk_bytes(self, vectors: int, dimension: int) -> float:
        """Return the size of the file that `build` writes, in bytes."""

    def database_bytes(self, vectors: int, dimension: int) -> float:  # noqa: ARG002
        """Return what `build` takes in a database, in bytes, without the fields of passages."""
        return 0.0

    @abstractmethod
    def memory_bytes(self, vectors: int, dimension: int) -> float:
        """Return the memory that `build` takes, in bytes, mapped vectors not counted."""

    def build_seconds(self, vectors: int, dimension: int, speed: BuildSpeed) -> float:  # noqa: ARG002
        """Return the seconds that `build` takes; by default as many for each vector as in the trial."""
        return speed.trial_s * vectors / speed.trial_vectors

    def searches(self, vectors: int) -> Iterator[Iterable[Self]]:  # noqa: ARG002
        """Yield series of ever wider searches of a built index; a series ends where it reaches the target recall."""
        yield (self,)
