"""Nodes and a router in this process, over the shards of a small index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from dpr.search.open import OpenIndex, open_index
from dpr.types import Encoder, Passage
from index_builder.from_python import IndexOptions, build_index
from service.indexes import Indexes
from service.models import BesideIndex, Models
from service.settings import NamedIndex
from service.shards.cluster import Cluster
from service.shards.routed import RoutedIndex
from service.shards.served import NodeIndex
from tests.fakes import HashEncoder
from tests.service.fakes import FakeReader, settings_of
from tests.service.live import live

ENCODER = HashEncoder()
SHARDS = 3
DEADLINE_S = 30.0
WORDS = [
    "river",
    "king",
    "script",
    "moon",
    "harbour",
    "engine",
    "glass",
    "letter",
    "winter",
    "bridge",
    "market",
    "song",
]
PASSAGES = [
    Passage(
        f"p{number * 37 % 90:02d}",
        " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 4 + number % 5)),
        title=WORDS[number % 4],
        metadata={"year": 2000 + number % 6},
    )
    for number in range(90)
]
QUESTIONS = [f"{first} {second}" for first in WORDS[:6] for second in WORDS[3:9]] + ["nothing of it", "winter"]


class HashModels(Models):
    """Models of a router, without files."""

    def encoder(self, _recorded: object) -> Encoder:
        return ENCODER

    def beside_index(self) -> BesideIndex:
        return super().beside_index()._replace(reader=FakeReader())


def build(root: Path, passages: list[Passage] = PASSAGES) -> OpenIndex:
    build_index(passages, root, encoder=ENCODER, options=IndexOptions("words"))
    return open_index(root, encoder=ENCODER)


@contextmanager
def node(folder: Path, port: int = 0, **given: Any) -> Iterator[str]:
    settings = settings_of(node=True)
    indexes = Indexes([NodeIndex(NamedIndex("default", folder), Models(settings))])
    with live(indexes, port, node=True, **given) as address:
        yield address


@contextmanager
def router(addresses: list[str], waits: bool = True, timeout_s: float = 5.0, **settings: Any) -> Iterator[httpx.Client]:
    routed = RoutedIndex(Cluster(addresses, timeout_s=timeout_s, look_s=0.1), HashModels(settings_of(no_reader=True)))
    indexes = Indexes([routed])
    with (
        live(indexes, waits=waits, **settings) as address,
        httpx.Client(base_url=address, timeout=DEADLINE_S) as asking,
    ):
        yield asking


def hits_of(asking: httpx.Client, question: str, **fields: Any) -> list[tuple[str, float]]:
    response = asking.post("/v1/retrieve", json={"question": question, **fields})
    assert response.status_code == 200, response.text
    assert response.json()["shards"] == {"total": SHARDS, "missing": []}
    return [(hit["passage"]["id"], hit["score"]) for hit in response.json()["results"][0]["hits"]]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
