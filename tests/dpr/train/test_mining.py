"""Hard negatives: what is taken of a result list, what is left out, and why."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpr.data.dpr_json import write_dpr_json
from dpr.data.passages import read_examples
from dpr.errors import ConfigError, DataError, RequestError
from dpr.search.contract import Retriever
from dpr.search.open import open_index
from dpr.train.mining import BATCH_QUESTIONS, SCORED_DEPTH, Mining, mine
from dpr.types import Example, Hit, ListScore, Passage, Question
from tests.fakes import FakeIndex, WordAnalyzer
from tests.small_index import ENCODER, PASSAGES, small_index

TEN = tuple(Passage(f"p{number}", f"text of passage {number}") for number in range(1, 11))
GOLD = TEN[2]


class Ranked(Retriever):
    """Ranks the passages in their order for every question, with the scores 10, 9, 8 and so on, or those given."""

    name = "bm25"

    def __init__(self, scores: Sequence[float], size: int) -> None:
        self.scores = scores or [10.0 - place for place in range(size)]
        self.asked: list[tuple[int, int]] = []

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        self.asked.append((len(questions), k))
        return [[] if "nothing" in question else self.hits(k) for question in questions]

    def hits(self, k: int) -> list[Hit]:
        return [
            Hit(row, f"p{row + 1}", row + 1, score, {self.name: ListScore(row + 1, score, score)})
            for row, score in enumerate(self.scores[:k])
        ]


class Index(FakeIndex):
    def __init__(self, passages: Sequence[Passage] = TEN, scores: Sequence[float] = ()) -> None:
        self.ranked = Ranked(scores, len(passages))
        super().__init__(passages, {"bm25": self.ranked})


def example(*answers: str, identity: str = "q", text: str = "which one", gold: Passage = GOLD) -> Example:
    return Example(Question(identity, text, answers), (gold,), negatives=(Passage("old", "an old negative"),))


def ids(examples: Sequence[Example]) -> list[list[str]]:
    return [[negative.id for negative in one.negatives] for one in examples]


def test_the_first_hits_but_the_gold_one_replace_the_negatives() -> None:
    mined = mine(Index(), [example()], Mining(count=4))
    [result] = mined
    assert ids([result]) == [["p1", "p2", "p4", "p5"]]
    assert (result.question, result.positives) == (example().question, (GOLD,))
    assert mined.summary.as_json() == {
        "questions": 1,
        "negatives": 4,
        "questions_without_negatives": 0,
        "positives_found": 1,
        "positives_not_in_index": 0,
        "left_out_by_gold": 1,
        "left_out_by_score": 0,
        "left_out_by_answer": 0,
    }


def test_gold_is_known_by_its_text_too() -> None:
    gold = Passage("elsewhere", unicodedata.normalize("NFD", "서울은 수도이다"), "title")
    index = Index([Passage("p1", "서울은 수도이다"), Passage("p2", "부산은 항구이다")])
    assert ids(list(mine(index, [example(gold=gold)]))) == [["p2"]]


def test_a_passage_that_holds_an_answer_is_left_out_unless_it_is_wanted() -> None:
    index = Index([Passage("p1", "서울역 앞"), Passage("p2", "서울에서는"), Passage("p3", "부산"), *TEN[3:]])
    asked = [example("서울", gold=index.passages[2])]
    mined = mine(index, asked, Mining(count=2))
    assert ids(list(mined)) == [["p1", "p4"]]
    assert mined.summary.left_out == {"answer": 1, "gold": 1}
    assert ids(list(mine(index, asked, Mining(count=2, keep_answers=True)))) == [["p1", "p2"]]


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(1, 3, ["p1", "p2"]), (4, 6, ["p4", "p5", "p6"]), (9, 50, ["p9", "p10"])]
)
def test_ranks_are_a_window_with_both_ends(first: int, last: int, expected: list[str]) -> None:
    index = Index()
    assert ids(list(mine(index, [example()], Mining(first_rank=first, last_rank=last)))) == [expected]
    assert index.ranked.asked == [(1, last)]


@pytest.mark.parametrize(
    ("scores", "share", "expected"),
    [
        ([10.0, 9.0, 8.0, 7.7, 7.6, 7.5], 0.95, ["p5", "p6"]),  # at most 0.95 · 8 = 7.6
        ([10.0, 9.0, 8.0, 7.7, 7.6, 7.5], 1.0, ["p4", "p5", "p6"]),
        ([1.0, 0.5, -2.0, -2.1, -3.0, -3.1], 0.5, ["p5", "p6"]),  # at most -2 - 0.5 · 2 = -3
        ([1.0, 0.5, 0.0, -0.1, -0.2, -0.3], 0.5, ["p4", "p5", "p6"]),
    ],
)
def test_a_score_too_near_to_the_positive_is_left_out(scores: list[float], share: float, expected: list[str]) -> None:
    mined = mine(Index(scores=scores), [example()], Mining(max_share=share))
    assert ids(list(mined)) == [expected]
    assert mined.summary.left_out == {"gold": 1, "score": 5 - len(expected)}


def absent_examples(count: int) -> list[Example]:
    return [example(identity=f"lost{n}", gold=Passage(f"lost{n}", f"absent text {n}")) for n in range(count)]


@pytest.mark.parametrize(
    ("options", "consequence"),
    [(Mining(max_share=0.9), ", so that max_share leaves them without negatives;"), (Mining(), " by text; it was")],
)
def test_gold_passages_that_the_index_lacks_are_warned_of_in_one_sentence(
    options: Mining, consequence: str, caplog: pytest.LogCaptureFixture
) -> None:
    mined = mine(Index(), [*absent_examples(3), example()], options)
    list(mined)
    assert mined.summary.positives_not_in_index == 3
    [message] = caplog.messages
    assert "no gold passage of 3 of 4 questions" in message
    assert consequence in message
    assert "dpr-index add INDEX --corpus SOURCE" in message


def test_a_few_gold_passages_that_the_index_lacks_are_only_counted(caplog: pytest.LogCaptureFixture) -> None:
    mined = mine(Index(), [*absent_examples(1), *(example(identity=f"q{n}") for n in range(10))], Mining(max_share=0.9))
    list(mined)
    assert mined.summary.positives_not_in_index == 1
    assert caplog.messages == []


def test_a_gold_passage_below_the_hits_is_in_the_index_by_its_id_or_its_text(caplog: pytest.LogCaptureFixture) -> None:
    renamed = Passage("elsewhere", TEN[9].text)
    examples = [example(identity="a", gold=TEN[8]), example(identity="b", gold=renamed)]
    mined = mine(Index(), examples, Mining(last_rank=2))
    list(mined)
    assert (mined.summary.positives_found, mined.summary.positives_not_in_index) == (0, 0)
    assert caplog.messages == []


def test_the_positive_is_looked_for_beyond_the_ranks() -> None:
    index = Index()
    mined = mine(index, [example(gold=TEN[5])], Mining(last_rank=2, max_share=0.9))
    with pytest.raises(DataError, match="no hard negative was found for any of 1 questions"):
        list(mined)
    assert index.ranked.asked == [(1, SCORED_DEPTH)]
    assert (mined.summary.positives_found, mined.summary.left_out) == (1, {"score": 2})


def test_a_positive_that_is_not_found_scores_below_every_hit() -> None:
    lost = example(identity="lost", gold=Passage("lost", "not in this index"))
    strict = mine(Index(), [example(), lost], Mining(max_share=0.9))
    assert [len(found) for found in ids(list(strict))] == [7, 0]
    assert (strict.summary.questions_without_negatives, strict.summary.positives_found) == (1, 1)
    assert [len(found) for found in ids(list(mine(Index(), [example(), lost])))] == [8, 8]


def test_the_best_of_several_positives_sets_the_limit() -> None:
    both = Example(Question("q", "which"), (TEN[8], TEN[1]))
    assert ids(list(mine(Index(), [both], Mining(max_share=1.0))))[0][0] == "p3"


def test_a_seed_draws_from_all_ranks_and_from_nothing_else() -> None:
    asked = [example(identity=str(number)) for number in range(40)]
    drawn = ids(list(mine(Index(), asked, Mining(count=2, seed=1))))
    assert drawn == ids(list(mine(Index(), asked, Mining(count=2, seed=1))))
    assert drawn != ids(list(mine(Index(), asked, Mining(count=2, seed=2))))
    assert drawn[::-1] == ids(list(mine(Index(), asked[::-1], Mining(count=2, seed=1))))  # a question's draw is its own
    assert {negative for found in drawn for negative in found} == {passage.id for passage in TEN} - {GOLD.id}
    assert all(len(set(found)) == 2 for found in drawn)


def test_a_passage_has_one_id_in_the_training_set() -> None:
    known = Passage("content-id", TEN[0].text, "its own title")
    asked = [example(), example(identity="other", gold=known)]
    first, other = mine(Index(), asked, Mining(count=1))
    assert first.negatives == (known,)
    assert other.negatives == (TEN[1],)


def test_a_text_that_the_index_holds_twice_is_one_negative() -> None:
    known = Passage("known", "the same")
    index = Index([Passage("p1", "the same"), Passage("p2", "the same"), *TEN[2:]])
    asked = [example(), example(identity="other", gold=known)]
    assert ids(list(mine(index, asked, Mining(count=2)))) == [["known", "p4"], ["p3", "p4"]]


def test_questions_are_searched_in_batches_as_they_are_needed() -> None:
    asked = [example(identity=str(number)) for number in range(BATCH_QUESTIONS + 10)]
    index = Index()
    seen: list[tuple[str, int, int | None]] = []
    mined = mine(index, asked, Mining(count=1, last_rank=5), lambda *stage: seen.append(stage))
    assert index.ranked.asked == []
    next(mined)
    assert index.ranked.asked == [(BATCH_QUESTIONS, 5)]
    assert len(list(mined)) == len(asked) - 1
    assert index.ranked.asked == [(BATCH_QUESTIONS, 5), (10, 5)]
    assert seen == [("mine bm25", count, len(asked)) for count in (0, BATCH_QUESTIONS, len(asked))]


@pytest.mark.parametrize("retriever", ["bm25", "dense", "hybrid"])
def test_mines_a_real_index_into_a_file_that_training_reads(retriever: str, tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    index = open_index(tmp_path / "index", ENCODER, analyzer=WordAnalyzer())
    capital = Example(Question("c", "capital of France", ("Paris",)), (PASSAGES[2],), answer_starts=(0,))
    mined = mine(index, [capital], Mining(retriever, count=2))
    assert write_dpr_json(tmp_path / "mined.json", mined) == 1
    [read] = read_examples(f"dpr:{tmp_path / 'mined.json'}")
    assert (read.question, read.positives) == (capital.question, capital.positives)
    assert read.negatives[0].id == "rome"
    assert mined.summary.negatives == len(read.negatives)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "there is no question to mine"),
        ([example(), Example(Question("bare", "why"), ())], "question 'bare' has no positive passage"),
        ([replace(example(), is_impossible=True)], "question 'q' is unanswerable, so that its passage is no positive"),
        ([example(), example()], "question id 'q' occurs twice"),
    ],
)
def test_unusable_questions_are_refused_before_any_search(asked: list[Example], sentence: str) -> None:
    index = Index()
    with pytest.raises(DataError, match=sentence):
        mine(index, asked)
    assert index.ranked.asked == []


def test_without_any_negative_no_file_is_written(tmp_path: Path) -> None:
    output = tmp_path / "mined.json"
    with pytest.raises(DataError, match=r"any of 2 questions .*widen the ranks"):
        write_dpr_json(output, mine(Index(), [example(text="nothing"), example(identity="r", text="nothing too")]))
    assert list(tmp_path.iterdir()) == []


def test_one_question_without_hits_is_no_error() -> None:
    mined = mine(Index(), [example(text="nothing"), example(identity="other")], Mining(count=1))
    assert ids(list(mined)) == [[], ["p1"]]
    assert mined.summary.questions_without_negatives == 1


def test_an_unknown_retriever_is_refused() -> None:
    with pytest.raises(RequestError, match="unknown retriever 'magic'"):
        mine(Index(), [example()], Mining("magic"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": 0}, "count is 0"),
        ({"first_rank": 0}, "the ranks are 0:50"),
        ({"first_rank": 9, "last_rank": 8}, "the ranks are 9:8"),
        ({"max_share": 0.0}, "max_share is 0.0"),
        ({"max_share": 1.01}, "max_share is 1.01"),
        ({"max_share": float("nan")}, "max_share is nan"),
    ],
)
def test_settings_out_of_range_are_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Mining(**changes)


def test_excluded_passages_are_no_negatives() -> None:
    own = replace(example(), excluded_ids=("p1",))
    assert ids(list(mine(Index(), [own], Mining(count=3)))) == [["p2", "p4", "p5"]]
