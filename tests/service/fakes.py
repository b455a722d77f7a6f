"""An index and a reader without files and models, for tests of what the service makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from starlette.testclient import TestClient

from dpr.errors import RequestError
from dpr.measured import TokensRead
from dpr.pipeline import QA, Generator
from dpr.search.contract import Retriever
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex
from dpr.search.record import DEFAULT_FUSION
from dpr.search.reranking import RerankOptions
from dpr.store.manifest import AnalyzerRecord, DenseRecord, EncoderRecord
from dpr.types import Answer, Candidates, Hit, ListScore, Passage, Reader, Reading
from service.app import create_app
from service.engine import Engine
from service.scheduler import Scheduler
from service.settings import MIB, Settings

DOCUMENT = "Before the script there was none. King Sejong created Hangul in 1443."
PASSAGES = (
    Passage("p1", DOCUMENT[34:], title="Hangul", document_id="hangul", start=34),
    Passage("p2", "세종대왕은 1443년에 한글을 만들었다.", title="한글"),
    Passage("p3", "The Han river flows through Seoul.", title="Han river"),
)


class FakePassages:
    def __len__(self) -> int:
        return len(PASSAGES)

    def __getitem__(self, row: int) -> Passage:
        return PASSAGES[row]

    def get(self, rows: Sequence[int]) -> list[Passage]:
        return [PASSAGES[row] for row in rows]

    def row_of(self, passage_id: str) -> int | None:
        return next((row for row, passage in enumerate(PASSAGES) if passage.id == passage_id), None)


class FakeRetriever(Retriever):
    """Scores by the number of shared words; without one, a passage is no hit."""

    def __init__(self, name: str) -> None:
        self.name = name

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        return [self._hits(question)[:k] for question in questions]

    def tokens_read(self, question: str) -> TokensRead:
        """Read five words."""
        total = len(question.split())
        return TokensRead(min(5, total), total)

    def _hits(self, question: str) -> list[Hit]:
        words = set(question.casefold().replace("?", "").split())
        shared = {row: len(words & set(passage.text.casefold().split())) for row, passage in enumerate(PASSAGES)}
        rows = sorted((row for row in shared if shared[row]), key=lambda row: (-shared[row], PASSAGES[row].id))
        return [
            Hit(row, PASSAGES[row].id, rank, float(shared[row]), self._lists(rank, shared[row]))
            for rank, row in enumerate(rows, start=1)
        ]

    def _lists(self, rank: int, score: float) -> Mapping[str, ListScore]:
        if self.name != "hybrid":
            return {self.name: ListScore(rank, score, score)}
        return {"dense": ListScore(None, None, 0.0), "bm25": ListScore(rank, score, score)}


class FakeManifest:
    encoder = EncoderRecord("hash-encoder", "hash-1", 32)
    dense = DenseRecord("flat", {})
    analyzer = AnalyzerRecord("words", "1")


class FakeIndex:
    generation = "000001"
    manifest = FakeManifest()
    passages = FakePassages()
    names = ("dense", "bm25", "hybrid")
    fusion = DEFAULT_FUSION
    rerank: RerankOptions | None = None

    def retriever(self, name: str, fusion: Fusion | None = None) -> FakeRetriever:
        if name not in self.names:
            raise RequestError(f"unknown retriever {name!r}; choose from {', '.join(self.names)}", "retriever")
        return FakeRetriever(name)


class FakeReader:
    """Answers with the first words of each passage; stands by them unless the question says ``unanswerable``.

    ``wait`` is called before each reading: a test's way to be slow, to count, or to fail.
    """

    name = "fake-reader"

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.wait = wait

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        self.wait()
        return [self._reading(candidates, n_best) for candidates in batch]

    def _reading(self, candidates: Candidates, n_best: int) -> Reading:
        answers = [
            Answer(passage.text[:11], passage.id, 0, len(passage.text[:11]), score, 5.0, 1.0)
            for passage, score in zip(candidates.passages, candidates.scores, strict=True)
        ]
        return Reading(tuple(answers[:n_best]), "unanswerable" not in candidates.question, -4.0)


def fake_qa(reader: Reader | None = None, generator: Generator | None = None) -> QA:
    return QA(cast("OpenIndex", FakeIndex()), reader, generator)


def settings_of(**given: Any) -> Settings:
    return Settings(**{"index": Path("unused"), "retry_after_s": 7, "cache_mib": 0, **given})


@contextmanager
def serving(load: Callable[[], QA], *, ready: bool = True, **given: Any) -> Iterator[TestClient]:
    """Serve what ``load`` returns; with ``ready``, wait until it is loaded."""
    settings = settings_of(**given)
    scheduler = Scheduler(waiting_threads=settings.max_in_flight)
    engine = Engine(load, settings.max_in_flight, scheduler, cache_bytes=settings.cache_mib * MIB)
    with TestClient(create_app(settings, engine), raise_server_exceptions=False) as client:
        if ready:
            assert client.portal is not None
            client.portal.call(engine.loaded)
        yield client
