from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpr.benchmark.encoder import Inspection, Sample, Token, judge, tokens_of
from dpr.errors import ConfigError, DataError
from dpr.models.checkpoint import load_tokenizer
from dpr.types import Example, FloatArray, Passage, Progress, Question, no_progress
from tests.fakes import HashEncoder


def passage(number: int) -> Passage:
    return Passage(f"p{number}", f"text{number}")


def example(number: int, gold: int, *negatives: int, is_impossible: bool = False) -> Example:
    return Example(
        Question(f"q{number}", f"question {number} text{gold}"),
        (passage(gold),),
        tuple(passage(negative) for negative in negatives),
        is_impossible=is_impossible,
    )


class Longer(HashEncoder):
    """The same directions as the other encoder's, and not of length 1."""

    name = "longer"

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        return 3 * super().encode_questions(questions)

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        return 2 * super().encode_passages(passages, progress)


class Backwards(HashEncoder):
    """Finds its gold passage last."""

    name = "backwards"

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        return -super().encode_questions(questions)


def test_tokens_have_ids_and_say_what_is_unknown(tiny_checkpoint: Path) -> None:
    tokenizer = load_tokenizer(tiny_checkpoint)
    tokens = tokens_of(tokenizer, "ab 漢")
    assert [token.text for token in tokens] == ["[CLS]", "a", "##b", "[UNK]", "[SEP]"]
    assert [token.is_unknown for token in tokens] == [False, False, False, True, False]
    assert tokens[1] == Token("a", tokenizer.convert_tokens_to_ids("a"), False)
    assert len(tokens_of(tokenizer, "a " * 500)) == 502  # not cut, and no warning


def test_each_question_has_a_gold_passage_of_its_own_and_they_are_spread() -> None:
    examples = [example(number, gold=number // 3) for number in range(60)]
    sample = Sample.from_examples(examples, count=3, pool=11)
    assert [question.id for question in sample.questions] == ["q0", "q15", "q30"]
    assert [passage.id for passage in sample.pool] == [f"p{number}" for number in range(11)]
    assert sample.golds == ((0,), (5,), (10,))
    assert sample.gold(1) == passage(5)


def test_the_pool_has_the_negatives_and_is_read_no_further_than_it_is_long() -> None:
    def examples() -> list[Example]:
        return [example(0, 0, 1, 2), example(1, 3, is_impossible=True), example(2, 2), example(3, 4, 5)]

    sample = Sample.from_examples(examples(), count=2, pool=500)
    assert [passage.id for passage in sample.pool] == ["p0", "p1", "p2", "p3", "p4", "p5"]
    assert [question.id for question in sample.questions] == ["q0", "q3"]
    iterator = iter(examples())
    assert len(Sample.from_examples(iterator, count=1, pool=2).pool) == 2
    assert len(list(iterator)) == 3


def test_a_question_is_not_ranked_against_itself() -> None:
    itself = replace(example(0, 0, 1), excluded_ids=("p1",))
    sample = Sample.from_examples([itself], count=1, pool=5)
    assert sample.excluded == ((1,),)
    assert judge(HashEncoder(), sample).ranks == (1,)


def test_fewer_questions_than_asked_for_are_all_taken() -> None:
    assert len(Sample.from_examples([example(0, 0), example(1, 1)], count=8, pool=100).questions) == 2


@pytest.mark.parametrize(("count", "pool"), [(0, 10), (51, 100), (8, 7)])
def test_counts_out_of_range_are_refused(count: int, pool: int) -> None:
    with pytest.raises(ConfigError, match=f"{count} questions and a pool of {pool} passages are requested; choose 1"):
        Sample.from_examples([example(0, 0)], count, pool)


def test_questions_without_a_gold_passage_are_refused() -> None:
    with pytest.raises(DataError, match="no question has a gold passage"):
        Sample.from_examples([Example(Question("q", "?"), ())], 1, 1)


def test_similarities_and_ranks_are_those_of_the_vectors() -> None:
    sample = Sample.from_examples([example(number, number, 20 + number) for number in range(9)], count=4, pool=12)
    encoder = HashEncoder()
    judgement = judge(encoder, sample)
    for row, question in enumerate(sample.questions):
        vector = encoder.encode_questions([question.text])[0]
        scores = [float(vector @ encoder.encode_passages([item])[0]) for item in sample.pool]
        gold = sample.golds[row][0]
        assert judgement.ranks[row] == 1 + sum(score >= scores[gold] for at, score in enumerate(scores) if at != gold)
        expected = [scores[rows[0]] for rows in sample.golds]
        np.testing.assert_allclose(judgement.products[row], expected, atol=1e-6)
    np.testing.assert_allclose(judgement.products, judgement.cosines, atol=1e-6)


def test_what_training_changed_is_counted_in_ranks() -> None:
    sample = Sample.from_examples([example(number, number) for number in range(6)], count=3, pool=6)
    inspection = Inspection(sample, {"before": judge(Backwards(), sample), "after": judge(HashEncoder(), sample)})
    assert [judgement.ranks for judgement in inspection.judgements.values()] == [(6, 6, 6), (1, 1, 1)]
    assert [inspection.gain(number) for number in range(3)] == [5, 5, 5]
    assert Inspection(sample, {"after": judge(HashEncoder(), sample)}).gain(0) is None


def test_encoders_of_different_lengths_are_compared_by_cosine() -> None:
    sample = Sample.from_texts(["a b", "b c", "d"])
    short, long = judge(HashEncoder(), sample), judge(Longer(), sample)
    mixed = Inspection(sample, {"before": short, "after": long})
    assert mixed.measure == "cosine"
    np.testing.assert_allclose(mixed.similarities("before"), mixed.similarities("after"), atol=1e-6)
    raw = Inspection(sample, {"after": long})
    assert raw.measure == "inner product"
    np.testing.assert_allclose(raw.similarities("after"), 6 * mixed.similarities("after"), atol=1e-5)


def test_a_text_is_its_own_gold_passage() -> None:
    sample = Sample.from_texts(["same", "other"])
    judgement = judge(HashEncoder(), sample)
    assert judgement.ranks == (1, 1)
    np.testing.assert_allclose(np.diag(judgement.cosines), 1, atol=1e-6)


def test_everything_can_be_written_as_json() -> None:
    sample = Sample.from_examples([example(number, number) for number in range(3)], count=2, pool=3)
    inspection = Inspection(sample, {"before": judge(Backwards(), sample), "after": judge(HashEncoder(), sample)})
    values = json.loads(json.dumps(inspection.as_json()))
    assert values["encoders"] == {"before": "backwards", "after": "hash-encoder"}
    assert (values["pool"], values["measure"]) == (3, "cosine")
    assert np.array(values["similarities"]["after"]).shape == (2, 2)
    assert values["questions"][1]["ranks"] == {"before": 3, "after": 1}
    assert values["questions"][1]["gain"] == 2
    assert values["questions"][0]["gold"]["id"] == "p0"
    assert values["metrics"]["after"]["mrr"] == 1
