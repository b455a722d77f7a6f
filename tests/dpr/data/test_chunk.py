from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dpr.data.chunk import chunk, chunk_spans
from dpr.errors import ConfigError
from dpr.types import Passage

SENTENCES = "One two three. Four five six. Seven eight nine. Ten eleven twelve."


def words(text: str) -> int:
    return len(text.split())


def pieces(text: str) -> int:
    """Count like a WordPiece tokenizer: one token for each three characters that a word begins."""
    return sum(-(-len(word) // 3) for word in text.split())


def chunks(text: str, max_tokens: int, overlap_tokens: int) -> list[str]:
    return [passage.text for passage in chunk(Passage("d", text), max_tokens, overlap_tokens, words)]


def test_whole_sentences_are_packed_up_to_the_budget() -> None:
    assert chunks(SENTENCES, 7, 0) == ["One two three. Four five six.", "Seven eight nine. Ten eleven twelve."]


def test_neighbours_share_the_sentences_that_the_overlap_holds() -> None:
    assert chunks(SENTENCES, 6, 3) == [
        "One two three. Four five six.",
        "Four five six. Seven eight nine.",
        "Seven eight nine. Ten eleven twelve.",
    ]
    assert chunks(SENTENCES, 6, 2) == ["One two three. Four five six.", "Seven eight nine. Ten eleven twelve."]


def test_an_overlap_gives_way_to_a_sentence_that_needs_the_room() -> None:
    assert chunks("A b. C d e f.", 4, 2) == ["A b.", "C d e f."]


def test_a_sentence_over_the_budget_is_cut_between_words() -> None:
    assert chunks("a b c d e f g h. I j.", 3, 0) == ["a b c", "d e f", "g h.", "I j."]


def test_a_word_over_the_budget_is_cut_inside() -> None:
    text = "가나다라마바사아자차"
    assert [passage.text for passage in chunk(Passage("d", text), 2, 0, pieces)] == ["가나다라마바", "사아자차"]


def test_passages_know_where_they_come_from() -> None:
    first, second = chunk(Passage("d", SENTENCES, "Title"), 6, 0, words)
    assert (first.id, second.id) == ("d#0", "d#1")
    assert (second.title, second.document_id, second.start) == ("Title", "d", 30)
    assert SENTENCES[second.start : second.end] == second.text


def test_a_document_of_white_space_has_no_passages() -> None:
    assert chunks(" \n ", 5, 0) == []


@pytest.mark.parametrize(("budget", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_the_overlap_is_below_the_budget(budget: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match=f"the overlap of {overlap} tokens is not below the budget of {budget}"):
        chunks("a", budget, overlap)


def test_a_budget_below_one_character_is_an_error() -> None:
    with pytest.raises(ConfigError, match="the single character '가' is over the budget of 2 tokens"):
        chunk(Passage("d", "가나"), 2, 0, lambda text: len(text.encode()))
    assert chunk_spans("a가나", 2, 0, lambda text: len(text.encode())) == [(0, 1), (1, 2), (2, 3)]


texts = st.text(st.sampled_from(list('ABcde가나다.?! \n\t"1😀')), max_size=150)


@settings(max_examples=200, deadline=None)
@given(texts, st.integers(1, 12), st.integers(0, 11))
def test_offsets_are_exact_budgets_kept_and_nothing_is_lost(text: str, budget: int, overlap: int) -> None:
    assume(overlap < budget)
    passages = chunk(Passage("d", text), budget, overlap, pieces)
    covered: set[int] = set()
    for number, passage in enumerate(passages):
        assert passage.id == f"d#{number}"
        assert text[passage.start : passage.end] == passage.text == passage.text.strip()
        assert 1 <= pieces(passage.text) <= budget
        covered.update(range(passage.start, passage.end))
    assert all(position in covered for position, character in enumerate(text) if not character.isspace())
    for before, after in pairwise(passages):
        assert before.start < after.start
        assert before.end < after.end
        shared = text[after.start : before.end]
        assert pieces(shared) <= overlap
    assert passages == chunk(Passage("d", text), budget, overlap, pieces)
