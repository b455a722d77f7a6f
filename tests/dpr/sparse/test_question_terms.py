from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dpr.sparse.question_terms import QuestionTerms
from dpr.sparse.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of(["a", "b", "c", "서울"])


def test_terms_are_different_known_and_counted() -> None:
    terms = QuestionTerms.of([["b", "a", "b", "x"], [], ["서울"]], VOCABULARY)
    assert terms.starts.tolist() == [0, 2, 2, 3]
    assert terms.terms.tolist() == [0, 1, 3]
    assert terms.repeats.tolist() == [1, 2, 1]
    assert terms.owners.tolist() == [0, 0, 2]
    assert len(terms) == 3


def test_an_empty_vocabulary_leaves_nothing() -> None:
    terms = QuestionTerms.of([["a"], ["b"]], Vocabulary.of([]))
    assert (len(terms), terms.starts.tolist(), terms.terms.tolist()) == (2, [0, 0, 0], [])


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "서울", "unknown"]), max_size=6), max_size=6))
def test_each_question_is_a_counter_of_its_known_terms(questions: list[list[str]]) -> None:
    terms = QuestionTerms.of(questions, VOCABULARY)
    names = list(VOCABULARY)
    for place, question in enumerate(questions):
        span = slice(terms.starts[place], terms.starts[place + 1])
        numbers = terms.terms[span].tolist()
        assert numbers == sorted(numbers)
        found = dict(zip([names[number] for number in numbers], terms.repeats[span].tolist(), strict=True))
        assert found == Counter(term for term in question if term in names)
