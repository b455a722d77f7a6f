from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.data.dpr_json import read_dpr_json, write_dpr_json
from dpr.data.identity import content_id
from dpr.data.intake import Intake
from dpr.errors import DataError
from dpr.types import Example, Passage, Question
from dpr.unicode_form import composed

words = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip() == text)
passages = st.builds(
    Passage, id=words, text=words, title=st.just("t"), document_id=st.just("d"), start=st.integers(0, 99)
)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    positives = draw(st.lists(passages, max_size=3))
    answers = draw(st.lists(words, max_size=2))
    return Example(
        Question(draw(words), draw(words), tuple(answers)),
        positives=tuple(positives),
        negatives=tuple(draw(st.lists(passages, max_size=2))),
        answer_starts=tuple(range(len(answers))),
        grades=tuple(range(2, 2 + len(positives))) if draw(st.booleans()) else (),
        is_impossible=draw(st.booleans()),
        absent_positives=tuple(draw(st.lists(st.tuples(words.map(composed), st.integers(1, 3)), max_size=2))),
        excluded_ids=tuple(draw(st.lists(words, max_size=2))),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(examples(), max_size=4))
def test_what_is_written_is_read_back_equal(tmp_path_factory: pytest.TempPathFactory, written: list[Example]) -> None:
    path = tmp_path_factory.mktemp("dpr") / "train.json"
    assert write_dpr_json(path, written) == len(written)
    assert isinstance(json.loads(path.read_text(encoding="utf-8")), list)
    assert list(read_dpr_json(path)) == written


def test_a_number_for_an_id_does_not_depend_on_the_rows_left_out(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    rows = [{"question": "who"}, "no object", {"question": 5}, {"question": "where"}]
    path.write_text(json.dumps(rows), encoding="utf-8")
    skipped: list[DataError] = []
    read = list(read_dpr_json(path, Intake(on_bad_row=skipped.append)))
    assert [(example.question.id, example.question.text) for example in read] == [("0", "who"), ("3", "where")]
    assert len(skipped) == 2


def test_dprs_own_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    context = {"title": "t", "text": "x", "score": 1.5, "title_score": 0, "passage_id": "7"}
    row = {
        "dataset": "nq",
        "question": "who",
        "answers": ["x"],
        "positive_ctxs": [context],
        "negative_ctxs": [{**context, "text": "easy", "passage_id": None}],
        "hard_negative_ctxs": [{**context, "text": "hard", "passage_id": "9"}],
    }
    path.write_text(json.dumps([row, row], indent=4))
    first, second = read_dpr_json(path)
    assert (first.question, second.question.id) == (Question("0", "who", ("x",)), "1")
    assert [passage.id for passage in first.negatives] == ["9", content_id("easy")]


def test_a_bad_passage_names_line_and_question(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('[\n{"question_id": "a", "question": "who", "positive_ctxs": [{"title": "t"}]}]')
    with pytest.raises(DataError, match=r"train\.json, line 2: question a: the field 'text' is missing"):
        list(read_dpr_json(path))
