from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpr.sparse.vocabulary import Vocabulary

TERMS = ["", "a", "ab", "abc", "b", "é", "서", "서울", "\U0001f600"]


def test_terms_come_back_in_order() -> None:
    vocabulary = Vocabulary.from_terms(TERMS)
    assert list(vocabulary) == TERMS
    assert len(vocabulary) == len(TERMS)


def test_each_term_is_found_at_its_place() -> None:
    assert Vocabulary.from_terms(TERMS).lookup([*reversed(TERMS)]).tolist() == list(range(len(TERMS)))[::-1]


def test_unknown_terms_are_minus_one() -> None:
    assert Vocabulary.from_terms(TERMS).lookup(["aa", "서울", "서울역", "A", "\uffff"]).tolist() == [-1, 7, -1, -1, -1]


def test_an_empty_vocabulary_knows_nothing() -> None:
    vocabulary = Vocabulary.from_terms([])
    assert (len(vocabulary), list(vocabulary)) == (0, [])
    assert vocabulary.lookup(["a", ""]).tolist() == [-1, -1]


def test_nothing_asked_is_nothing_found() -> None:
    assert Vocabulary.from_terms(TERMS).lookup([]).shape == (0,)


any_text = st.text(st.characters(), max_size=4)  # lone surrogates and NUL among them


@given(st.sets(any_text), st.lists(any_text))
def test_lookup_is_a_dictionary(known_terms: set[str], questions: list[str]) -> None:
    terms = sorted(known_terms)
    numbers = {term: number for number, term in enumerate(terms)}
    vocabulary = Vocabulary.from_terms(terms)
    assert list(vocabulary) == terms
    assert vocabulary.lookup([*questions, *terms]).tolist() == [numbers.get(term, -1) for term in [*questions, *terms]]
