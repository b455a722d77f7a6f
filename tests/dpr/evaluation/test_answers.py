"""Exact match, F1 and answer-in-passage, case by case after the official definitions."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.data.squad import read_squad
from dpr.evaluation.answers import ANSWER_RULES, has_answer, has_korean_answer
from dpr.types import Example


@pytest.mark.parametrize(
    ("rule", "prediction", "golds", "exact", "f1"),
    [
        ("squad-1.1", "The Normans!", ["normans"], 1.0, 1.0),
        ("squad-1.1", "a  cat,\tand the dog", ["cat and dog"], 1.0, 1.0),
        ("squad-1.1", "the cat sat", ["cat"], 0.0, 2 / 3),
        ("squad-1.1", "cat", ["dog", "black cat"], 0.0, 2 / 3),
        ("squad-1.1", "to be or not to be", ["to be"], 0.0, 1 / 2),
        ("squad-1.1", "theatre", ["atre"], 0.0, 0.0),
        ("squad-1.1", "U.S.", ["us"], 1.0, 1.0),
        ("squad-1.1", "10–12", ["1012"], 0.0, 0.0),  # the en dash is not ASCII punctuation
        ("squad-1.1", "cat", [], 0.0, 0.0),
        ("squad-1.1", "the", ["a"], 1.0, 0.0),  # both normalize to nothing; version 1.1's F1 has no case for it
        ("squad-2.0", "the", ["a"], 1.0, 1.0),
        ("squad-2.0", "", [], 1.0, 1.0),
        ("squad-2.0", "cat", [], 0.0, 0.0),
        ("squad-2.0", "", ["cat"], 0.0, 0.0),
        ("squad-2.0", "", ["cat", "the"], 0.0, 0.0),  # a gold of nothing does not excuse silence beside a real one
        ("squad-2.0", "black cat", ["cat"], 0.0, 2 / 3),
        ("korquad-1.0", "《서울》", ["서울"], 1.0, 1.0),
        ("korquad-1.0", "서울은", ["서울"], 0.0, 2 * (2 / 3) / (2 / 3 + 1)),
        ("korquad-1.0", "서울 특별시", ["서울특별시"], 0.0, 1.0),  # F1 is per character, blanks left out
        ("korquad-1.0", "‘김구’", ["김 구", "김구"], 1.0, 1.0),
        ("korquad-1.0", "1,989년", ["1989년"], 1.0, 1.0),
        ("korquad-1.0", "김(金)씨", ["김 金 씨"], 1.0, 1.0),  # brackets become blanks, commas vanish
        ("korquad-1.0", "The LG", ["lg"], 0.0, 2 * (2 / 5) / (2 / 5 + 1)),  # articles stay
        ("korquad-1.0", "부산", ["서울"], 0.0, 0.0),
        ("korquad-1.0", "", [""], 1.0, 0.0),
    ],
)
def test_official_definitions(rule: str, prediction: str, golds: list[str], exact: float, f1: float) -> None:
    assert ANSWER_RULES[rule].exact_match(prediction, golds) == exact
    assert ANSWER_RULES[rule].f1(prediction, golds) == pytest.approx(f1)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(
    rule=st.sampled_from(sorted(ANSWER_RULES)),
    prediction=st.text("ab 가나.", max_size=6),
    golds=st.lists(st.text("ab 가나.", max_size=6), max_size=3),
)
def test_scores_are_shares_and_more_golds_never_hurt(rule: str, prediction: str, golds: list[str]) -> None:
    scorer = ANSWER_RULES[rule]
    assert 0.0 <= scorer.f1(prediction, golds) <= 1.0
    if not scorer.scores_silence:  # where silence scores, a gold answer takes that away
        assert scorer.f1(prediction, [*golds, "ab 가나"]) >= scorer.f1(prediction, golds)
    if scorer.normalize(prediction):
        assert scorer.exact_match(prediction, golds) <= scorer.f1(prediction, golds)


@pytest.mark.parametrize(
    ("answers", "text", "by_dpr", "by_korean_rule"),
    [
        (["Saint Bernadette"], "to SAINT  BERNADETTE, in 1858", True, True),
        (["art"], "a part of", False, False),
        (["cat"], "the catalogue", False, False),
        (["U.S."], "in the U. S . of", True, True),
        (["Zürich"], unicodedata.normalize("NFD", "in Zürich."), True, True),
        (["서울"], "수도는 서울 이다", True, True),
        (["서울"], "서울은 수도이다", False, True),
        (["1989"], "1989년에", False, True),
        (["바다"], "바닥이 차다", False, False),
        (["서울"], "남서울은", False, False),
        (["서울 특별시"], "서울은 특별시", False, False),
        (["서울"], "서울에서는", False, True),
        (["서울"], "서울역에서", False, False),
        (["서울 특별시"], "서울 특별시청에서 서울 특별시로", False, True),  # found at the second place
        (["LG"], "LG전자가", False, True),  # another script is another word
        (["전자"], "LG전자가", False, True),
        (["LG"], "LGE가", False, False),
        (["3,000명"], "약 3,000명의", False, True),
        (["16대"], "제16대 대통령", False, True),
        (["6대"], "제16대 대통령", False, False),
        (["198"], "1989년에", False, False),
        (["종"], "종교는 종을 친다", False, True),
        (["종"], "종교는", False, False),
        (["서울"], unicodedata.normalize("NFD", "서울은 수도이다"), False, True),
        ([unicodedata.normalize("NFD", "서울")], "서울은 수도이다", False, True),
        (["세종"], "세종\u0301은", False, False),  # a mark makes it another token
        (["x", "둘"], "하나, 둘.", True, True),
        ([], "text", False, False),
        ([" "], "text", False, False),
        (["a"], "", False, False),
        (["..."], "well...", True, True),
    ],
)
def test_answer_in_passage(answers: list[str], text: str, by_dpr: bool, by_korean_rule: bool) -> None:
    assert has_answer(answers, text) is by_dpr
    assert has_korean_answer(answers, text) is by_korean_rule


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    answer=st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=3),
    text=st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=12) | st.text("aAΣσ.'́ 가각\n", max_size=12),
)
def test_equals_the_tokenizer_that_dpr_uses(answer: str, text: str) -> None:
    regex = pytest.importorskip("regex")

    def tokens(value: str) -> list[str]:
        actual = regex.findall(r"[\p{L}\p{N}\p{M}]+|[^\p{Z}\p{C}]", unicodedata.normalize("NFD", value))
        return [token.lower() for token in actual]

    for wanted in (answer, text[2:5]):
        inner, outer = tokens(wanted), tokens(text)
        places = range(len(outer) - len(inner) + 1)
        expected = bool(inner) and any(outer[position : position + len(inner)] == inner for position in places)
        assert has_answer([wanted], text) is expected


@given(answer=st.text("ab1é .", max_size=4), text=st.text("ab1é .", max_size=12))
def test_without_hangul_both_rules_agree(answer: str, text: str) -> None:
    assert has_korean_answer([answer], text) is has_answer([answer], text)


MIXED = "a1.가나은는을 "


@given(answer=st.text(MIXED, max_size=4), text=st.text(MIXED, max_size=12))
def test_what_the_rule_of_dpr_finds_the_korean_rule_finds_too(answer: str, text: str) -> None:
    for expected in (answer, text[2:5]):
        assert has_korean_answer([expected], text) or not has_answer([expected], text)


@given(answer=st.text(MIXED, max_size=3), text=st.text(MIXED, max_size=12))
def test_what_the_korean_rule_finds_stands_in_the_text(answer: str, text: str) -> None:
    for expected in (answer, text[2:4]):
        if has_korean_answer([expected], text):
            assert "".join(expected.split()) in "".join(text.split())


@given(noun=st.text("가나각난달", min_size=1, max_size=3), particle=st.sampled_from(["의", "에서", "에게", "까지"]))
def test_a_particle_that_follows_any_syllable_never_hides_a_noun(noun: str, particle: str) -> None:
    assert has_korean_answer([noun], f"그 {noun}{particle} 간다")
    assert not has_answer([noun], f"그 {noun}{particle} 간다")


def test_korean_answers_are_found_in_their_own_passages(shared_data: Path) -> None:
    examples = list(read_squad(shared_data / "korquad" / "KorQuAD_v1.0_dev.json"))
    missed = [example for example in examples if not holds(has_korean_answer, example)]
    assert len(missed) <= 0.01 * len(examples)
    every_fifth = examples[::5]
    assert sum(holds(has_answer, example) for example in every_fifth) < 0.5 * len(every_fifth)


def test_english_answers_are_found_as_dpr_finds_them(shared_data: Path) -> None:
    examples = list(read_squad(shared_data / "squad" / "dev-v1.1.json"))[::5]
    pairs = zip(examples, examples[7:], strict=False)
    others = [replace(example, positives=other.positives) for example, other in pairs]
    for some in (examples, others):
        actual = [holds(has_answer, example) for example in some]
        assert [holds(has_korean_answer, example) for example in some] == actual
        assert any(actual)


def holds(rule: Callable[[Sequence[str], str], bool], example: Example) -> bool:
    return rule(example.question.answers, example.positives[0].text)
