from __future__ import annotations

import bm25s
import numpy as np
import pytest

from dpr.models.tokens import Tokens
from dpr.train.encoder.lexical import TEMPERATURE, LexicalTeacher


def random_texts(drawn: np.random.Generator, count: int, longest: int) -> list[Tokens]:
    return [drawn.integers(3, 60, drawn.integers(2, longest)).tolist() for _ in range(count)]


def test_scores_are_those_of_bm25s() -> None:
    drawn = np.random.default_rng(0)
    passages, questions = random_texts(drawn, 40, 50), random_texts(drawn, 15, 12)
    reference = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    reference.index([[str(piece) for piece in passage] for passage in passages], show_progress=False)
    known = {piece for passage in passages for piece in passage}
    expected = [reference.get_scores([str(piece) for piece in one if piece in known]) for one in questions]
    scores = LexicalTeacher(passages, 60).scores(questions, passages)
    # bm25s leaves out the constant factor k1 + 1, as Lucene does from version 8 on
    np.testing.assert_allclose(scores.numpy() * TEMPERATURE / 2.2, np.array(expected), rtol=1e-4, atol=1e-5)


def test_rarity_is_that_of_the_training_sets_and_not_of_the_batch() -> None:
    teacher = LexicalTeacher([[5, 6], [5, 7], [5, 8], [5, 9]], 10)
    common, rare = teacher.scores([[5], [6]], [[5, 6]])[:, 0].tolist()
    assert rare > 5 * common > 0


@pytest.mark.parametrize("questions", [[[3]], [[3], [4, 4]]])
def test_a_question_that_shares_nothing_scores_zero(questions: list[Tokens]) -> None:
    scores = LexicalTeacher([[5, 6], [7]], 10).scores(questions, [[5, 6], [7], [8]])
    assert scores.shape == (len(questions), 3)
    assert not scores.any()
