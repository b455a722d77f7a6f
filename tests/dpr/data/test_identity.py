from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from dpr.data.files import Location
from dpr.data.identity import UniquePassages, content_id, unique_passages
from dpr.errors import DataError
from dpr.types import Passage


def test_the_content_id_is_a_hash_of_the_text_alone() -> None:
    assert content_id("서울은 한국의 수도이다.") == "a55d62a7a2da54a1"
    assert content_id("서울") != content_id("서울 ")


def test_the_content_id_does_not_depend_on_unicode_form() -> None:
    assert content_id(unicodedata.normalize("NFD", "서울 café")) == content_id("서울 café")


def test_repeats_are_left_out_and_counted() -> None:
    passages = unique_passages([Passage("1", "a"), Passage("2", "a"), Passage("1", "a"), Passage("3", "b")])
    assert [passage.id for passage in passages] == ["1", "2", "3"]
    assert passages.skipped == 1


@pytest.mark.parametrize("other", [Passage("1", "b"), Passage("1", "a", title="t")])
def test_an_id_with_other_content_is_refused_with_its_place(other: Passage) -> None:
    place = Location(Path("a.jsonl"), 2)
    passages = UniquePassages([(place, Passage("1", "a")), (place, other)])
    assert next(passages).text == "a"
    with pytest.raises(
        DataError, match=r"^a\.jsonl, line 2: passage id '1' occurred before with another title, text or field"
    ):
        next(passages)


def test_a_content_id_under_another_title_is_a_repeat() -> None:
    first = Passage(content_id("a"), "a", title="one")
    passages = unique_passages([first, Passage(content_id("a"), "a", title="two")])
    assert list(passages) == [first]
    assert passages.skipped == 1


def test_a_content_id_with_other_fields_is_another_passage() -> None:
    def rows() -> list[Passage]:
        values: list[dict[str, object]] = [{"year": 2023}, {}, {"year": 2024}, {"year": 2023}, {"year": 2024}]
        return [Passage(content_id("a"), "a", f"title {n}", metadata=value) for n, value in enumerate(values)]  # type: ignore[arg-type]

    passages = unique_passages(rows())
    first, without, other = passages
    assert [dict(passage.metadata) for passage in (first, without, other)] == [{"year": 2023}, {}, {"year": 2024}]
    assert first.id == content_id("a")
    assert len({first.id, without.id, other.id}) == 3
    assert all(passage.id.startswith(f"{first.id}-") for passage in (without, other))
    assert passages.skipped == 2
    wanted = UniquePassages(((None, row) for row in rows()), only=(other.id,))
    assert [passage.id for passage in wanted] == [other.id]


def test_passages_without_text_are_left_out_and_counted() -> None:
    passages = unique_passages([Passage("1", "a"), Passage("2", ""), Passage("3", " \n", "title")])
    assert [passage.id for passage in passages] == ["1"]
    assert (passages.empty, passages.skipped) == (2, 0)


def test_passages_that_differ_in_unicode_form_alone_are_one() -> None:
    passage = Passage("서울.pdf", "수도 서울", "서울", "문서/서울")
    passage_id, text, title = (unicodedata.normalize("NFD", name) for name in (passage.id, passage.text, passage.title))
    decomposed = Passage(passage_id, text, title)
    passages = unique_passages([decomposed, passage, replace(passage, id="b")])
    first, second = passages
    assert (first.id, first.title, first.text) == (passage.id, passage.title, decomposed.text)
    assert second.document_id == "문서/서울"
    assert passages.skipped == 1
