from __future__ import annotations

import pytest

from dpr.data.parallel import SentencePair
from dpr.errors import ConfigError, DataError
from dpr.train.batches import Source
from dpr.train.distillation.data import DistillationData, VectorTarget
from dpr.train.distillation.teacher import PASSAGE, QUESTION, RoleText
from dpr.types import Example, Passage, Question

TEXTS = {"texts": [Passage("1", "Seoul is large.", "Seoul"), Passage("2", "Seoul is large.", "Seoul")]}
PAIRS = {"pairs": [SentencePair("pairs:1", "Why?", "왜?"), SentencePair("pairs:2", "Why?", "왜요?")]}
SOURCE = Source("data", [Example(Question("q", "Who?"), (Passage("p", "She."),), (Passage("n", "It."),))])


def test_plain_texts_are_learned_once_in_each_role() -> None:
    found = DistillationData(texts=TEXTS).vector_targets((QUESTION, PASSAGE))
    question, passage = RoleText(QUESTION, "Seoul is large."), RoleText(PASSAGE, "Seoul is large.", "Seoul")
    assert found == [VectorTarget(question, question), VectorTarget(passage, passage)]
    assert found[1].student_text.id == "1"


def test_a_translation_is_taught_by_its_source() -> None:
    source = RoleText(PASSAGE, "Why?")
    assert DistillationData(pairs=PAIRS).vector_targets((PASSAGE,)) == [
        VectorTarget(source, source),
        VectorTarget(RoleText(PASSAGE, "왜?"), source),
        VectorTarget(RoleText(PASSAGE, "왜요?"), source),
    ]


def test_questions_and_passages_are_learned_in_their_own_role() -> None:
    found = [one.student_text for one in DistillationData(sources=[SOURCE]).vector_targets((PASSAGE,))]
    assert found == [RoleText(QUESTION, "Who?"), RoleText(PASSAGE, "She."), RoleText(PASSAGE, "It.")]


def test_a_record_says_what_each_source_held() -> None:
    record = DistillationData(TEXTS, PAIRS, [SOURCE]).as_record()
    assert record["texts"]["texts"] == 2
    assert record["pairs"]["pairs"] == 2
    assert record["data"]["questions"] == 1
    other = DistillationData({"texts": [*TEXTS["texts"][:1], Passage("2", "Other.")]}).as_record()
    assert other["texts"]["sha256"] != record["texts"]["sha256"]


@pytest.mark.parametrize(
    ("data", "objective", "cause"),
    [
        (DistillationData(), "vectors", r"'vectors' learns from plain texts \(--text\) or questions .*; give some"),
        (
            DistillationData(texts=TEXTS),
            "parallel",
            r"'parallel' learns from parallel sentences \(--parallel\); give some",
        ),
        (DistillationData(pairs=PAIRS), "vectors", r"'vectors' cannot use parallel sentences .* or choose 'parallel'"),
        (DistillationData(texts=TEXTS), "scores", r"'scores' cannot use plain texts .* or choose 'vectors'"),
    ],
)
def test_what_an_objective_cannot_use_is_refused(data: DistillationData, objective: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        data.check(objective)


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(DataError, match=r"^empty is empty; give another source"):
        DistillationData(texts={**TEXTS, "empty": []}).check("vectors")
