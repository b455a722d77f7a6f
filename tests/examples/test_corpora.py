"""The corpora and the questions that are shipped as examples: their form, and what they promise."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from dpr.data.squad import read_squad, read_squad_passages
from dpr.types import Example, Passage

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "demo"
BUSINESS = ROOT / "examples" / "business" / "korean.json"
CROSS_LANGUAGE = DEMO / "cross-language.json"
EVERYDAY = DEMO / "everyday.json"
QUESTION_FILES = (DEMO / "english.json", DEMO / "korean.json", CROSS_LANGUAGE, EVERYDAY, BUSINESS)

HANGUL = re.compile(r"[가-힣]")


def examples(path: Path) -> list[Example]:
    """Reading fails where an answer does not stand at its offset."""
    return list(read_squad(path))


def is_korean(text: str) -> bool:
    return bool(HANGUL.search(text))


def gold_passage(example: Example) -> Passage:
    [passage] = example.positives
    return passage


def demo_passages(language: str) -> list[Passage]:
    return list(read_squad_passages(DEMO / f"{language}.json"))


@pytest.mark.parametrize("path", QUESTION_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_question_has_an_answer_in_its_passage_or_is_impossible(path: Path) -> None:
    for example in examples(path):
        answers = example.question.answers
        assert bool(answers) != example.is_impossible, example.question.id
        assert all(answer == answer.strip() for answer in answers), example.question.id


def test_no_id_and_no_question_comes_twice() -> None:
    questions = [example.question for path in QUESTION_FILES for example in examples(path)]
    for values in (Counter(question.id for question in questions), Counter(question.text for question in questions)):
        assert [value for value, count in values.items() if count > 1] == []


def test_business_pages_are_as_long_as_pages_are() -> None:
    tokenizer = Tokenizer.from_file(str(ROOT / "models" / "e5-small-ko-en" / "tokenizer.json"))
    pages = list(read_squad_passages(BUSINESS))
    lengths = sorted(len(tokenizer.encode(page.text).ids) for page in pages)
    assert len(pages) >= 64
    assert lengths[0] >= 200
    assert lengths[-1] <= 1000
    assert 400 <= lengths[len(lengths) // 2] <= 560
    assert len({page.text for page in pages}) == len({page.title for page in pages}) == len(pages)


def test_business_questions_come_in_four_forms() -> None:
    forms = Counter(example.question.id.rpartition("-")[0] for example in examples(BUSINESS))
    shares = {form: count / forms.total() for form, count in forms.items()}
    expected = {"paraphrase": 0.4, "ordinary": 0.3, "colloquial": 0.2, "code": 0.1}
    assert forms.total() >= 104
    assert shares == pytest.approx(expected, abs=0.05)


def test_business_answers_stand_all_over_their_pages() -> None:
    places = [
        start / len(gold_passage(example).text) for example in examples(BUSINESS) for start in example.answer_starts
    ]
    quarters = Counter(int(4 * place) for place in places)
    assert all(quarters[quarter] > 0.15 * len(places) for quarter in range(4))


def test_questions_cross_languages_both_ways() -> None:
    ways = Counter((is_korean(e.question.text), is_korean(gold_passage(e).text)) for e in examples(CROSS_LANGUAGE))
    assert ways == {(True, False): 40, (False, True): 40}


@pytest.mark.parametrize("path", [CROSS_LANGUAGE, EVERYDAY], ids=lambda path: path.stem)
def test_gold_passages_are_those_of_the_demo(path: Path) -> None:
    known = {
        (passage.id, passage.title, passage.text) for name in ("english", "korean") for passage in demo_passages(name)
    }
    gold = [gold_passage(example) for example in examples(path)]
    assert [passage.title for passage in gold if (passage.id, passage.title, passage.text) not in known] == []


def test_everyday_questions_are_in_both_languages_and_some_have_no_answer() -> None:
    asked = Counter((is_korean(e.question.text), e.is_impossible) for e in examples(EVERYDAY))
    assert asked == {(True, False): 24, (True, True): 6, (False, False): 24, (False, True): 6}
