"""A served fake index with a fake reader, for the tests that only ask; and a router over the shards of a small one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from dpr.search.open import OpenIndex
from index_builder.split import split
from tests.service.fakes import FakeReader, fake_qa, serving
from tests.service.routing import SHARDS, build, node, router


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    with serving(lambda: fake_qa(FakeReader())) as client:
        yield client


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> OpenIndex:
    return build(tmp_path_factory.mktemp("whole") / "index")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    index = tmp_path_factory.mktemp("shards")
    build(index / "index")
    return [folder for folder, _ in split(index / "index", SHARDS, index / "shards")]


@pytest.fixture(scope="module")
def routed(folders: list[Path]) -> Iterator[httpx.Client]:
    with ExitStack() as nodes:
        addresses = [nodes.enter_context(node(folder)) for folder in folders]
        with router(addresses) as asking:
            yield asking
