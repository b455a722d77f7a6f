"""A served fake index with a fake reader, for the tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.service.fakes import FakeReader, fake_qa, serving


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    with serving(lambda: fake_qa(FakeReader())) as client:
        yield client
