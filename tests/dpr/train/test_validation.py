from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dpr.errors import DataError
from dpr.evaluation.ranks import gold_ranks
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.settings import Training
from dpr.train.validation import HeldOut
from dpr.types import Example, Passage, Question


def test_a_question_is_not_ranked_against_itself() -> None:
    own, answer, other = (Passage(name, f"text {name}") for name in ("q1", "a", "b"))
    examples = [
        Example(Question("q1", "text q1"), (answer,), excluded_ids=("q1", "elsewhere")),
        Example(Question("q2", "Who?"), (own, other)),
    ]
    held_out = HeldOut.from_examples(examples)
    assert held_out.passages == (answer, own, other)
    assert held_out.excluded == ((1,), ())
    vectors = np.array([[0.5, 0.0], [1.0, 0.5], [0.1, 0.4]], dtype=np.float32)
    questions = np.eye(2, dtype=np.float32)
    assert gold_ranks(questions, vectors, held_out.golds, excluded=held_out.excluded).tolist() == [1, 1]
    assert gold_ranks(questions, vectors, held_out.golds).tolist() == [2, 1]


def test_the_pool_is_what_the_questions_bring() -> None:
    first, second, third = (Passage(name, f"text {name}") for name in "abc")
    examples = [
        Example(Question("1", "Which?"), (first,), (third,)),
        Example(Question("2", "Who?"), (second, first)),
        Example(Question("3", "Why?"), (first,), is_impossible=True),
        Example(Question("4", "When?"), ()),
    ]
    held_out = HeldOut.from_examples(examples)
    assert held_out.questions == ("Which?", "Who?")
    assert held_out.passages == (first, third, second)
    assert held_out.golds == ((0,), (2, 0))
    with pytest.raises(DataError, match="no question of the validation data has a passage"):
        HeldOut.from_examples(examples[2:])


def test_a_passage_longer_than_the_encoder_reads_is_found_by_its_end(tiny_checkpoint: Path) -> None:
    training = Training(base=str(tiny_checkpoint), passage_tokens=16, question_tokens=16, shared=True)
    pair = make_pair(training)
    filler = "one two three . " * 10
    passages = [Passage(name, f"{filler}{end}") for name, end in (("a", "the name is kim ."), ("b", "x y z ."))]
    examples = [Example(Question("1", "the name is kim ."), (passages[0],), (passages[1],))]
    measured = HeldOut.from_examples(examples).measure(pair.both, pair.tokenizers, torch.float32)
    assert measured["rank"] == 1  # by their beginnings the two are alike, and a tie counts against the gold passage
