from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForQuestionAnswering

from dpr.errors import ConfigError, ModelError
from dpr.models.checkpoint import load_model
from dpr.reader.model import ReaderConfig, save_reader_config
from dpr.reader.reader import ExtractiveReader, load_reader
from dpr.types import Candidates, Passage


@pytest.fixture(scope="module")
def reader_directory(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader with random weights."""
    directory = tmp_path_factory.mktemp("reader") / "tiny"
    shutil.copytree(tiny_checkpoint, directory)
    torch.manual_seed(3)
    load_model(AutoModelForQuestionAnswering, tiny_checkpoint, new_head=True).save_pretrained(directory)
    save_reader_config(directory, ReaderConfig(max_tokens=64, stride=16, question_tokens=16, null_threshold=1e9))
    return directory


@pytest.fixture(scope="module")
def reader(reader_directory: Path) -> ExtractiveReader:
    return load_reader(reader_directory, precision="fp32")


def candidates(question: str, *texts: str, scores: Sequence[float] | None = None) -> Candidates:
    passages = tuple(Passage(f"p{number}", text) for number, text in enumerate(texts))
    return Candidates(question, passages, tuple(scores or [0.0] * len(texts)))


def test_offsets_give_the_answer_in_its_passage(reader: ExtractiveReader) -> None:
    item = candidates("who was it?", "it was the king of all", "x " * 200, "왕이 있었다")
    [reading] = reader.read([item], n_best=6)
    texts = {passage.id: passage.text for passage in item.passages}
    assert len(reading.answers) == 6
    for answer in reading.answers:
        assert texts[answer.passage_id][answer.start : answer.end] == answer.text
    assert [answer.score for answer in reading.answers] == sorted(
        (answer.score for answer in reading.answers), reverse=True
    )


def test_answers_of_one_passage_do_not_overlap(reader: ExtractiveReader) -> None:
    [reading] = reader.read([candidates("q", "one two three four five six")], n_best=5)
    taken = [range(answer.start, answer.end) for answer in reading.answers]
    assert not any(set(first) & set(second) for index, first in enumerate(taken) for second in taken[:index])


def test_a_batch_reads_as_each_question_alone(reader: ExtractiveReader) -> None:
    batch = [candidates("first?", "a b c", "d e f g"), candidates("second?", "h i " * 40), candidates("third?")]
    together = reader.read(batch)
    for item, reading in zip(batch, together, strict=True):
        [alone] = reader.read([item])
        assert [(a.passage_id, a.start, a.end) for a in alone.answers] == [
            (a.passage_id, a.start, a.end) for a in reading.answers
        ]
        assert alone.no_answer_score == pytest.approx(reading.no_answer_score, abs=1e-4)


def test_the_retrieval_score_lifts_a_passage(reader_directory: Path) -> None:
    reader = load_reader(reader_directory, precision="fp32", retrieval_weight=1e6)
    for best in (0, 1):
        scores = [1.0 if place == best else 0.0 for place in (0, 1)]
        [reading] = reader.read([candidates("q?", "some text", "other text", scores=scores)])
        assert reading.answers[0].passage_id == f"p{best}"


def test_the_threshold_decides_whether_the_question_is_answered(reader_directory: Path, tmp_path: Path) -> None:
    item = candidates("q?", "some text here")
    [reading] = load_reader(reader_directory, precision="fp32").read([item])
    assert reading.is_answered
    shutil.copytree(reader_directory, tmp_path / "strict")
    strict = ReaderConfig(64, 16, 16, null_threshold=reading.no_answer_score - 0.01)
    save_reader_config(tmp_path / "strict", strict)
    [reading] = load_reader(tmp_path / "strict", precision="fp32").read([item])
    assert not reading.is_answered
    assert reading.answers


def test_nothing_to_read_is_no_answer(reader: ExtractiveReader) -> None:
    for item in (candidates("q?"), candidates("q?", ""), candidates("q?", "  ")):
        [reading] = reader.read([item])
        assert not reading.is_answered
        assert reading.answers == ()
    assert reader.read([]) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=200))
def test_any_text_is_read_with_right_offsets(reader: ExtractiveReader, question: str, text: str) -> None:
    question, text = (value.encode("utf-8", "ignore").decode() for value in (question, text))
    [reading] = reader.read([candidates(question, text)], n_best=3)
    for answer in reading.answers:
        assert text[answer.start : answer.end] == answer.text != ""


def test_a_model_without_answer_heads_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="qa_outputs"):
        load_reader(tiny_checkpoint)


def test_windows_that_make_no_progress_are_refused() -> None:
    with pytest.raises(ConfigError, match="leaves no new tokens"):
        ReaderConfig(max_tokens=64, stride=60)
