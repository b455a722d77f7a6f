from __future__ import annotations

import pytest

from dpr.errors import DataError
from dpr.train.hashing_corpus import all_texts, by_source


def test_the_digest_is_the_same_after_each_pass() -> None:
    [source] = by_source(text for text in ("가나", "abc")).values()
    assert list(source) == list(source) == ["가나", "abc"]
    digest = source.digest
    assert (digest.texts, digest.characters, len(digest.sha256)) == (2, 5, 64)
    [other] = by_source({"other": ["가나a", "bc"]}).values()
    list(other)
    assert other.digest.sha256 != digest.sha256


def test_all_sources_are_one_stream() -> None:
    assert list(all_texts(by_source({"a": ["1"], "b": [], "c": ["2", "3"]}))) == ["1", "2", "3"]
    with pytest.raises(DataError, match="there is no text to learn from"):
        list(all_texts(by_source({"a": []})))
