from __future__ import annotations

import pytest

from dpr.errors import DataError
from dpr.train.seen_texts import all_texts, by_source


def test_a_reading_is_remembered_and_the_same_each_time() -> None:
    [source] = by_source(text for text in ("가나", "abc")).values()
    assert list(source) == list(source) == ["가나", "abc"]
    seen = source.seen
    assert (seen.texts, seen.characters, len(seen.sha256)) == (2, 5, 64)
    [other] = by_source({"other": ["가나a", "bc"]}).values()
    list(other)
    assert other.seen.sha256 != seen.sha256


def test_all_sources_are_one_stream() -> None:
    assert list(all_texts(by_source({"a": ["1"], "b": [], "c": ["2", "3"]}))) == ["1", "2", "3"]
    with pytest.raises(DataError, match="there is no text to learn from"):
        list(all_texts(by_source({"a": []})))
