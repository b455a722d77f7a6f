from __future__ import annotations

import pytest

from index_builder import encode, learned, sparse
from index_builder.identity import run_identity


@pytest.mark.parametrize(
    ("room", "name"), [(sparse, "BLOCK_PASSAGES"), (encode, "SHARD_PASSAGES"), (learned, "SHARD_PASSAGES")]
)
def test_a_run_whose_pieces_have_another_size_begins_anew(
    room: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal counts pieces: those of another size are other passages."""
    content = {"b": 1, "a": [2]}
    before = run_identity(content)
    assert run_identity({"a": [2], "b": 1}) == before
    assert run_identity({"a": [3], "b": 1}) != before
    monkeypatch.setattr(room, name, getattr(room, name) // 2)
    assert run_identity(content) != before
