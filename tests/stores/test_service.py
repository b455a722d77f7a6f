"""The service over an index in a database answers as over an index in files, and says when the database is away."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.demo.run import CORPUS, QUESTIONS, installed, serving
from tests.stores.postgres_server import PASSPHRASE
from tests.stores.store import Store

pytestmark = pytest.mark.timeout(1800)


def post(address: str, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{address}{path}", json=body, timeout=120)


def told(address: str) -> list[dict[str, Any]]:
    """Return the hits and the answers to the demo's questions; the last digits of scores depend on batches."""
    results = post(address, "/v1/query", {"questions": list(QUESTIONS)}).json()["results"]
    return [
        {
            "is_answered": result["is_answered"],
            "answers": [answer["text"] for answer in result["answers"]],
            "hits": [hit["passage"]["id"] for hit in result["hits"]],
        }
        for result in results
    ]


def test_the_demo_is_answered_alike(tmp_path: Path, store: Store) -> None:
    sources = [argument for path in CORPUS for argument in ("--corpus", f"squad:{path}")]
    for kind in ("flat", store.exact):
        command = [installed("dpr-index"), "build", *sources, "--output", str(tmp_path / kind), "--dense-kind", kind]
        subprocess.run(command, check=True, capture_output=True)
    with serving(tmp_path / "flat") as (_, address):
        expected = told(address)
    assert len(expected) == len(QUESTIONS)
    with serving(tmp_path / store.exact) as (_, address):
        assert told(address) == expected
        store.server.kill()
        try:
            refused = post(
                address, "/v1/retrieve", {"question": "Which company built Deep Blue?", "retriever": "dense"}
            )
        finally:
            store.server.start()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert PASSPHRASE not in refused.text
        assert "Retry-After" in refused.headers
        assert told(address) == expected
