"""Open a pipeline: index, encoder, reader, generator, each with its options.

The service alone puts its pipelines together by itself (`service.models`): they share their models.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from dpr.config import AUTO_COMPUTE, DEFAULT_READER, ComputeOptions
from dpr.pipeline import QA, Generator, RetrievalOptions
from dpr.reader.registry import kind_and_model, load_reader
from dpr.search.lazy import Lazy
from dpr.search.open import open_index
from dpr.types import Encoder, Reader
from dpr.value_types import check_fields, check_seconds, checks_types


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """A chat model that writes answers.

    Attributes:
        url: the address before ``/chat/completions``.
        model: the model's name there.
        key: the API key; empty without one.
        timeout_s: the time limit for one answer, in seconds; after it, the reader answers.

    Raises:
        ConfigError: a value is of another type, or the time limit is out of range.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        check_fields(self)
        check_seconds("timeout_s", self.timeout_s)


@checks_types()
def open_qa(
    index: str | Path,
    *,
    encoder: str | Path | Encoder | None = None,
    reader: str | Path | Reader | None = DEFAULT_READER,
    generator: GeneratorOptions | Generator | None = None,
    retrieval: RetrievalOptions = RetrievalOptions(),  # noqa: B008 - frozen
    compute: ComputeOptions = AUTO_COMPUTE,
) -> QA:
    """Open an index for questions, at once: models are loaded at their first use.

    Args:
        index: the folder of the index.
        encoder: the index's encoder, or its folder or hub name; None: the recorded one.
        reader: the reader, or its folder or hub name, or ``KIND:MODEL`` with a kind of `dpr.reader.registry.READERS`;
            None: retrieval only.
        generator: a chat model that writes the answers; if it fails, the reader answers.
        retrieval: the default retriever, fusion and reranking.
        compute: precision and backend of encoder, reranker and reader.

    Raises:
        IndexFormatError: there is no index, or it is damaged, or the encoder is not the index's.
        ConfigError: the generator has no model, or its address or key is invalid.
        MissingDependencyError: the generator needs httpx, which is not installed.
    """
    from dpr.reader.generative.reader import open_generator

    with ExitStack() as on_error:
        if isinstance(generator, GeneratorOptions):
            generator = open_generator(generator.url, generator.model, generator.key, generator.timeout_s)
            on_error.callback(generator.close)
        opened_index = open_index(index, encoder, compute=compute, rerank=retrieval.rerank)
        qa = QA(opened_index, lazy_reader(reader, compute), generator, retrieval)
        on_error.pop_all()
    return qa


def lazy_reader(reader: str | Path | Reader | None, compute: ComputeOptions) -> Reader | Lazy[Reader] | None:
    """Return a reader, or what loads it from its folder or by its name at the first use.

    Raises:
        ConfigError: the kind of a ``KIND:MODEL`` is unknown.
    """
    if not isinstance(reader, str | Path):
        return reader
    kind_and_model(str(reader))  # an unknown kind is refused now
    return Lazy(lambda: load_reader(str(reader), compute.precision, compute.backend))
