from __future__ import annotations

import pytest

from dpr.data.parallel import SentencePair
from dpr.errors import ConfigError, DataError
from dpr.train.batches import Source
from dpr.train.distillation.data import Imitation, Material
from dpr.train.distillation.teacher import PASSAGE, QUESTION, RoleText
from dpr.types import Example, Passage, Question

TEXTS = {"texts": [Passage("1", "Seoul is large.", "Seoul"), Passage("2", "Seoul is large.", "Seoul")]}
PAIRS = {"pairs": [SentencePair("pairs:1", "Why?", "왜?"), SentencePair("pairs:2", "Why?", "왜요?")]}
SOURCE = Source("data", [Example(Question("q", "Who?"), (Passage("p", "She."),), (Passage("n", "It."),))])


def test_plain_texts_are_learned_once_in_each_role() -> None:
    found = Material(texts=TEXTS).imitations((QUESTION, PASSAGE))
    question, passage = RoleText(QUESTION, "Seoul is large."), RoleText(PASSAGE, "Seoul is large.", "Seoul")
    assert found == [Imitation(question, question), Imitation(passage, passage)]
    assert found[1].learned.id == "1"


def test_a_translation_is_taught_by_its_source() -> None:
    source = RoleText(PASSAGE, "Why?")
    assert Material(pairs=PAIRS).imitations((PASSAGE,)) == [
        Imitation(source, source),
        Imitation(RoleText(PASSAGE, "왜?"), source),
        Imitation(RoleText(PASSAGE, "왜요?"), source),
    ]


def test_questions_and_passages_are_learned_in_their_own_role() -> None:
    found = [one.learned for one in Material(sources=[SOURCE]).imitations((PASSAGE,))]
    assert found == [RoleText(QUESTION, "Who?"), RoleText(PASSAGE, "She."), RoleText(PASSAGE, "It.")]


def test_a_record_says_what_each_source_held() -> None:
    described = Material(TEXTS, PAIRS, [SOURCE]).described()
    assert described["texts"]["texts"] == 2
    assert described["pairs"]["pairs"] == 2
    assert described["data"]["questions"] == 1
    other = Material({"texts": [*TEXTS["texts"][:1], Passage("2", "Other.")]}).described()
    assert other["texts"]["sha256"] != described["texts"]["sha256"]


@pytest.mark.parametrize(
    ("material", "objective", "cause"),
    [
        (Material(), "vectors", r"'vectors' learns from plain texts \(--text\) or questions .*; give some"),
        (Material(texts=TEXTS), "parallel", r"'parallel' learns from parallel sentences \(--parallel\); give some"),
        (Material(pairs=PAIRS), "vectors", r"'vectors' cannot use parallel sentences .* or choose 'parallel'"),
        (Material(texts=TEXTS), "scores", r"'scores' cannot use plain texts .* or choose 'vectors'"),
    ],
)
def test_what_an_objective_cannot_use_is_refused(material: Material, objective: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause):
        material.check(objective)


def test_an_empty_source_is_refused() -> None:
    with pytest.raises(DataError, match=r"^empty: there is nothing in it to learn from"):
        Material(texts={**TEXTS, "empty": []}).check("vectors")
