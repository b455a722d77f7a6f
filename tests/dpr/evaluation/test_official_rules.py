"""The answer rules against the official definitions, written again step by step, on thousands of predictions.

SQuAD 1.1 and 2.0: Rajpurkar et al. 2016 and 2018; KorQuAD 1.0: Lim et al. 2019. The definitions are those of the
evaluation scripts that came with the data; the questions and answers are made here.
"""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from dpr.evaluation.answers import ANSWER_RULES

PREDICTIONS = 4000
GOLDS = [
    "the Han River",
    "An apple a day",
    "U.S. Army's 2nd Division",
    "1,989.5 km²",
    "Beyoncé Knowles-Carter",
    "A",
    "theatre of the absurd",
    "10–12 %",
    "서울특별시",
    "《난중일기》 7권",
    "‘민족의 태양’",
    "이순신(李舜臣)",
    "1592년 4월 13일",
    "3·1 운동",
    "<별 헤는 밤>",
    "LG전자의 세탁기",
    "제16대 대통령",
    "e\u0301te\u0301",
    "🙂 the smile",
    "שלום",
]
CHANGES: Sequence[Callable[[str, random.Random], str]] = [
    lambda text, _: text,
    lambda text, _: text.upper(),
    lambda text, _: f"the {text}",
    lambda text, _: f"  {text}\t ",
    lambda text, _: text.replace(" ", "  \n"),
    lambda text, _: text.replace(" ", ""),
    lambda text, _: f"{text}.",
    lambda text, _: f"({text})",
    lambda text, _: f"《{text}》",
    lambda text, _: f'"{text}"',
    lambda text, _: f"{text}은",
    lambda text, _: f"{text}에서는",
    lambda text, chance: text[chance.randrange(len(text)) :],
    lambda text, chance: text[: chance.randrange(len(text))],
    lambda text, chance: f"{text} {chance.choice(GOLDS)}",
    lambda text, chance: f"{chance.choice(['a', 'an', 'of', '및'])} {text} {text}",
    lambda text, chance: " ".join(chance.sample(text.split(), len(text.split()))),
    lambda _, chance: chance.choice(GOLDS),
    lambda _, chance: "".join(chance.choices(string.punctuation + " aA가나'‘’〈〉", k=5)),
    lambda *_: "",
]


def cases() -> Iterator[tuple[str, list[str]]]:
    chance = random.Random(7)
    for _ in range(PREDICTIONS):
        golds = chance.sample(GOLDS, chance.randint(0, 3))
        prediction = chance.choice(golds or GOLDS)
        for change in chance.choices(CHANGES, k=chance.randint(1, 2)):
            prediction = change(prediction, chance) if prediction else prediction
        yield prediction, golds


def squad_words(text: str) -> list[str]:
    kept = [letter for letter in text.lower() if letter not in string.punctuation]
    return re.sub(r"\b(a|an|the)\b", " ", "".join(kept)).split()


def korquad_words(text: str) -> list[str]:
    for mark in ["'", '"', "《", "》", "<", ">", "〈", "〉", "(", ")", "‘", "’"]:
        text = text.replace(mark, " ")
    return "".join(letter for letter in text.lower() if letter not in string.punctuation).split()


def overlap_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    same = sum((Counter(predicted) & Counter(gold)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(predicted), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def squad_1(prediction: str, golds: list[str]) -> tuple[float, float]:
    exact = [float(squad_words(prediction) == squad_words(gold)) for gold in golds]
    f1 = [overlap_f1(squad_words(prediction), squad_words(gold)) for gold in golds]
    return max(exact, default=0.0), max(f1, default=0.0)


def squad_2(prediction: str, golds: list[str]) -> tuple[float, float]:
    kept = [gold for gold in golds if squad_words(gold)] or [""]

    def f1_of(gold: str) -> float:
        predicted, words = squad_words(prediction), squad_words(gold)
        return float(predicted == words) if not predicted or not words else overlap_f1(predicted, words)

    exact = max(float(squad_words(prediction) == squad_words(gold)) for gold in kept)
    return exact, max(f1_of(gold) for gold in kept)


def korquad(prediction: str, golds: list[str]) -> tuple[float, float]:
    def letters(text: str) -> list[str]:
        return [letter for word in korquad_words(text) for letter in word]

    exact = [float(korquad_words(prediction) == korquad_words(gold)) for gold in golds]
    f1 = [overlap_f1(letters(prediction), letters(gold)) for gold in golds]
    return max(exact, default=0.0), max(f1, default=0.0)


@pytest.mark.parametrize(
    ("rule", "definition"), [("squad-1.1", squad_1), ("squad-2.0", squad_2), ("korquad-1.0", korquad)]
)
def test_a_rule_is_the_official_definition(
    rule: str, definition: Callable[[str, list[str]], tuple[float, float]]
) -> None:
    scorer, seen = ANSWER_RULES[rule], Counter[str]()
    for prediction, golds in cases():
        exact, f1 = definition(prediction, golds)
        assert scorer.exact_match(prediction, golds) == exact, (prediction, golds)
        assert scorer.f1(prediction, golds) == pytest.approx(f1, abs=1e-12), (prediction, golds)
        seen["exact" if exact else "partly" if f1 else "wrong"] += 1
    assert min(seen[kind] for kind in ("exact", "partly", "wrong")) > 500  # all kinds come often
