"""A server on a free port with a small real index, whose passages and reader suit the page's tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from dpr.metadata import MetadataValue
from dpr.pipeline import QA
from dpr.search.open import open_index
from dpr.types import Answer, Candidates, Passage, Reading
from service.app import create_app
from service.engine import Engine
from service.errors import NotReadyError
from service.server import listen
from service.settings import Settings
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index

LONGEST_WAIT_S = 120.0
"""How long a condition is waited for; only a fault or a very busy machine takes as long."""

HACK = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
"""What a browser would run if it were taken for markup."""

LONG = "Chess has been played for centuries in many lands. " * 40
ANSWERS = {
    "blue": "IBM",
    "emoji": "백록담",
    f"id{HACK}": f"onerror{HACK}",
    "long": "in 1997",
}
"""Passage id to the answer in it."""


def fields_of(number: int) -> dict[str, MetadataValue]:
    return {"category": "machine" if number % 2 else "인사", "year": 2000 + number, "published": f"2024-0{number}-01"}


PASSAGES = (
    Passage(
        "blue",
        "Which company built the computer Deep Blue ? It is a computer built by IBM in New York.",
        "Chess",
        metadata={"category": "machine", "year": 1996, "published": "2024-01-31", "tags": ["chess", HACK]},
    ),
    Passage("emoji", "🏔️👨‍👩‍👧 한라산 정상에 있는 𠮷 화구호의 이름은 백록담이다.", "한라산"),
    Passage(f"id{HACK}", f"hostile text {HACK} says onerror{HACK} to everybody", f"Title {HACK}"),
    Passage("long", f"{LONG}The long match was in 1997 and no other year. {LONG}", "A long passage"),
    Passage("plain", "The river flows through Seoul", ""),
    *(
        Passage(f"more-{n}", f"computer number {n} of many a company", f"Computer {n}", metadata=fields_of(n))
        for n in range(1, 9)
    ),
)


class SpanReader:
    """Finds the answers of ``ANSWERS`` in the order of the hits; stands by them unless ``unanswerable`` is asked."""

    name = "span-reader"

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.wait = wait

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        self.wait()
        return [
            Reading(tuple(self._answers(one))[:n_best], "unanswerable" not in one.question, -4.0, 0.9) for one in batch
        ]

    def _answers(self, candidates: Candidates) -> Iterator[Answer]:
        for passage, score in zip(candidates.passages, candidates.scores, strict=True):
            text = ANSWERS.get(passage.id, passage.text[:4])
            start = passage.text.index(text)
            yield Answer(text, passage.id, start, start + len(text), score, 5.0, 1.0)


def built_index(root: Path) -> Path:
    small_index(root, PASSAGES)
    return root


def qa_of(root: Path, reader: SpanReader | None) -> QA:
    return QA(open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer()), reader)


def is_ready(engine: Engine) -> bool:
    try:
        return bool(engine.ready())
    except NotReadyError:
        return False


@contextmanager
def live(load: Callable[[], QA] | None, *, ready: bool = True, **given: Any) -> Iterator[str]:
    """Serve what ``load`` returns, or what the settings name, on a free port; yield the address with its slash."""
    settings = Settings(**{"index": Path("unused"), **given})
    engine = Engine(load, settings.max_in_flight) if load else Engine.from_settings(settings)
    with listen("127.0.0.1", 0) as listener:
        app = create_app(settings, engine)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="page-server")
        thread.start()
        try:
            deadline = time.monotonic() + LONGEST_WAIT_S
            while not (server.started and (is_ready(engine) or not ready)):
                assert thread.is_alive()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
