"""Open-domain question answering in Korean and English: dense and sparse retrieval chained to an MRC reader.

    import dpr

    dpr.build_index("corpus.jsonl", "index")
    qa = dpr.open("index")
    qa.answer("Who built Deep Blue?").answers

All public names are here; each is loaded when it is first used, so that ``import dpr`` takes milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "QA",
    "Answer",
    "Answered",
    "Bm25Options",
    "ChunkOptions",
    "ComputeOptions",
    "DPRError",
    "DenseOptions",
    "EncoderOptions",
    "Evaluation",
    "Example",
    "Fusion",
    "GeneratorOptions",
    "Hit",
    "IndexOptions",
    "Passage",
    "Question",
    "ReadRules",
    "Reading",
    "RerankOptions",
    "RetrievalOptions",
    "__version__",
    "add_passages",
    "build_index",
    "delete_passages",
    "evaluate",
    "load_encoder",
    "load_reader",
    "open",
    "read_examples",
    "read_passages",
]

if TYPE_CHECKING:
    from dpr.config import ComputeOptions
    from dpr.data.intake import ReadRules
    from dpr.data.passages import read_examples, read_passages
    from dpr.errors import DPRError
    from dpr.models.encoders import load_encoder
    from dpr.opening import GeneratorOptions
    from dpr.opening import open_qa as open  # noqa: A004 - dpr.open is the door
    from dpr.pipeline import QA, RetrievalOptions
    from dpr.quality import Evaluation, evaluate
    from dpr.reader.extractive.reader import load_reader
    from dpr.results import Answer, Answered, Hit, Passage, Reading
    from dpr.search.fusion import Fusion
    from dpr.search.reranking import RerankOptions
    from dpr.types import EncoderOptions, Example, Question
    from index_builder.chunking import ChunkOptions
    from index_builder.dense import DenseOptions
    from index_builder.from_python import IndexOptions, add_passages, build_index, delete_passages
    from index_builder.sparse import Bm25Options

_MODULES = {
    "dpr.config": ("ComputeOptions",),
    "dpr.data.intake": ("ReadRules",),
    "dpr.data.passages": ("read_examples", "read_passages"),
    "dpr.errors": ("DPRError",),
    "dpr.models.encoders": ("load_encoder",),
    "dpr.opening": ("GeneratorOptions", "open_qa"),
    "dpr.pipeline": ("QA", "RetrievalOptions"),
    "dpr.quality": ("Evaluation", "evaluate"),
    "dpr.reader.extractive.reader": ("load_reader",),
    "dpr.results": ("Answer", "Answered", "Hit", "Passage", "Reading"),
    "dpr.search.fusion": ("Fusion",),
    "dpr.search.reranking": ("RerankOptions",),
    "dpr.types": ("EncoderOptions", "Example", "Question"),
    "index_builder.chunking": ("ChunkOptions",),
    "index_builder.dense": ("DenseOptions",),
    "index_builder.from_python": ("IndexOptions", "add_passages", "build_index", "delete_passages"),
    "index_builder.sparse": ("Bm25Options",),
}
_RENAMED = {"open_qa": "open"}
_HOMES = {_RENAMED.get(name, name): (module, name) for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # type checkers see the imports above, and refuse other names

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'dpr' has no attribute {name!r}")
        module, attribute = _HOMES[name]
        value = globals()[name] = getattr(import_module(module), attribute)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
