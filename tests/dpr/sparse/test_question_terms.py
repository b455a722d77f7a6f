from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpr.sparse.question_terms import QuestionTerms
from dpr.sparse.vocabulary import Vocabulary

VOCABULARY = Vocabulary.from_terms(["a", "b", "c", "서울"])
FREQUENCIES = np.array([5, 2, 0, 2])


def of(questions: Sequence[Sequence[str]]) -> QuestionTerms:
    return QuestionTerms.from_questions(questions, [VOCABULARY], [FREQUENCIES])


def test_terms_are_different_known_counted_and_the_rarest_first() -> None:
    terms = of([["b", "a", "b", "x", "서울", "a", "a"], [], ["서울"]])
    assert terms.starts.tolist() == [0, 3, 3, 4]
    assert terms.numbers.tolist() == [[1, 3, 0, 3]]
    assert terms.frequencies.tolist() == [2, 2, 5, 2]
    assert terms.repeats.tolist() == [2, 1, 3, 1]
    assert terms.owners.tolist() == [0, 0, 0, 2]
    assert len(terms) == 3


def test_a_term_that_no_passage_has_any_more_is_unknown() -> None:
    assert of([["c", "a"]]).numbers.tolist() == [[0]]


def test_a_term_has_a_number_in_each_vocabulary_that_knows_it() -> None:
    other = Vocabulary.from_terms(["b", "d"])
    terms = QuestionTerms.from_questions([["d", "b", "a"]], [VOCABULARY, other], [FREQUENCIES, np.array([2, 1])])
    assert terms.numbers.tolist() == [[-1, 1, 0], [1, 0, -1]]
    assert terms.frequencies.tolist() == [1, 2, 5]


def test_an_empty_vocabulary_leaves_nothing() -> None:
    terms = QuestionTerms.from_questions([["a"], ["b"]], [Vocabulary.from_terms([])], [np.array([], dtype=np.int64)])
    assert (len(terms), terms.starts.tolist(), terms.numbers.tolist()) == (2, [0, 0, 0], [[]])


def test_no_vocabulary_leaves_nothing() -> None:
    assert QuestionTerms.from_questions([["a"]], [], []).starts.tolist() == [0, 0]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "서울", "unknown"]), max_size=6), max_size=6))
def test_each_question_is_a_counter_of_its_known_terms(questions: list[list[str]]) -> None:
    terms = of(questions)
    names = list(VOCABULARY)
    for position, question in enumerate(questions):
        span = slice(terms.starts[position], terms.starts[position + 1])
        actual = dict(
            zip([names[number] for number in terms.numbers[0, span]], terms.repeats[span].tolist(), strict=True)
        )
        assert actual == Counter(term for term in question if term in ("a", "b", "서울"))
