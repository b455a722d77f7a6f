from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpr.errors import ConfigError, ModelError
from dpr.models.checkpoint import load_tokenizer
from dpr.reader.extractive.compute import Compute, Inputs, WindowLogits
from dpr.reader.extractive.long_questions import asking_sentence
from dpr.reader.extractive.model import ReaderConfig, save_reader_config
from dpr.reader.extractive.reader import ExtractiveReader, load_reader
from dpr.types import Candidates, Passage


@pytest.fixture(scope="module")
def reader(tiny_reader: Path) -> ExtractiveReader:
    return load_reader(tiny_reader, precision="fp32")


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> Any:
    return load_tokenizer(tiny_checkpoint)


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


def test_the_retrieval_score_lifts_a_passage(tiny_reader: Path) -> None:
    reader = load_reader(tiny_reader, precision="fp32", retrieval_weight=1e6)
    for best in (0, 1):
        scores = [1.0 if place == best else 0.0 for place in (0, 1)]
        [reading] = reader.read([candidates("q?", "some text", "other text", scores=scores)])
        assert reading.answers[0].passage_id == f"p{best}"


def test_the_threshold_decides_whether_the_question_is_answered(tiny_reader: Path, tmp_path: Path) -> None:
    item = candidates("q?", "some text here")
    [reading] = load_reader(tiny_reader, precision="fp32").read([item])
    assert reading.is_answered
    shutil.copytree(tiny_reader, tmp_path / "strict")
    strict = ReaderConfig(64, 16, 16, 12, null_threshold=reading.no_answer_score - 0.01)
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


def letter_logits(inputs: Inputs) -> WindowLogits:
    """Logits that are a matter of the token alone, whatever window it is in."""
    ids = inputs["input_ids"].astype(np.float64)
    starts, ends = (np.sin(ids * factor).astype(np.float32) for factor in (12.9898, 78.233))
    return WindowLogits(starts, ends, np.zeros(len(ids), dtype=np.float32))


def letter_reader(tokenizer: Any, max_tokens: int, positions: int | None = None) -> ExtractiveReader:
    config = ReaderConfig(max_tokens, stride=12, question_tokens=16, max_answer_tokens=8)
    return ExtractiveReader(
        "letters",
        Compute(letter_logits, 256, input_names=("input_ids", "attention_mask", "token_type_ids")),
        tokenizer,
        config,
        positions,
    )


LETTERS = st.text(st.sampled_from("abcdefgh 가나다"), max_size=150)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LETTERS)
def test_many_windows_read_as_one_long_window(tokenizer: Any, text: str) -> None:
    item = candidates("who?", text)
    parts, whole = (letter_reader(tokenizer, size).read([item], n_best=5) for size in (48, 1000))
    assert parts == whole


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LETTERS, st.integers(17, 100))
def test_windows_with_a_long_question_read_as_one_long_window(tokenizer: Any, text: str, length: int) -> None:
    item = candidates("q" * length, text)
    parts, whole = (letter_reader(tokenizer, 48, positions).read([item], n_best=5)[0] for positions in (96, 1000))
    assert parts.answers == whole.answers
    read = 96 - 4 - 2 * 8
    cut = f"the reader read the first {read} of {length} tokens of the question"
    assert (parts.note, whole.note) == (cut if length > read else "", "")


def test_a_long_question_is_also_read_by_the_sentence_that_asks(
    reader: ExtractiveReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ("the king was here in may", "a queen came home in june")
    long = candidates("We came to the coast by car last week. Who was it?", *texts)
    short = candidates("Who was it?", *texts)
    surest, others, again = reader.spans([long, short, long])
    monkeypatch.setattr("dpr.reader.extractive.reader.asking_sentence", str)
    [whole] = reader.spans([long])
    leads = [[float(spans.scores[0]) - spans.null_score for spans in found] for found in (surest, others, whole, again)]
    assert leads[0] == pytest.approx([max(pair) for pair in zip(leads[1], leads[2], strict=True)], abs=1e-4)
    assert leads[0] == pytest.approx(leads[3], abs=1e-4)
    assert leads[1] != pytest.approx(leads[2], abs=1e-2)
    monkeypatch.undo()
    [reading] = reader.read([candidates("word " * 40 + ". Who was it?", *texts)])
    assert reading.note.endswith("tokens of the question, and the sentence that asks")


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("I read the pages. Who built it?", "Who built it?"),
        ("Who built it? Thank you for your patience.", "Who built it?"),
        ("안내문을 읽었습니다. 등대는 누가 세웠나요？ 감사합니다.", "등대는 누가 세웠나요？"),
        ("I read the pages. Tell me who built it", "Tell me who built it"),
        ('She asked: "Who was it?" I did not know.', 'She asked: "Who was it?"'),
        ("who built it", "who built it"),
        (" ", " "),
    ],
)
def test_the_sentence_that_asks(question: str, sentence: str) -> None:
    assert asking_sentence(question) == sentence


def test_the_end_of_a_long_question_is_read(reader: ExtractiveReader) -> None:
    start = "i have one more thing to ask " * 2
    texts = ("the king was here in may", "the queen came home in june")
    long = [reader.read([candidates(f"{start}{end}", *texts)])[0] for end in ("who was it", "when was it")]
    assert long[0].no_answer_score != long[1].no_answer_score
    together = reader.read([candidates(f"{start}who was it", *texts), candidates("who was it", *texts)])
    assert together[0].answers[0].start == long[0].answers[0].start
    assert together[1].no_answer_score == pytest.approx(
        reader.read([candidates("who was it", *texts)])[0].no_answer_score, abs=1e-4
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(LETTERS, max_size=3), min_size=1, max_size=4), st.randoms())
def test_the_order_of_a_batch_does_not_change_answers(tokenizer: Any, asked: list[list[str]], chance: Random) -> None:
    reader = letter_reader(tokenizer, 48)
    batch = [candidates(f"question {number}?", *texts) for number, texts in enumerate(asked)]
    alone = [reader.read([item], n_best=3)[0] for item in batch]
    order = list(range(len(batch)))
    chance.shuffle(order)
    together = reader.read([batch[place] for place in order], n_best=3)
    assert together == [alone[place] for place in order]


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "",
        "?!…",
        "\0",
        "name\0less",
        "e\u0301" * 40,
        "👩\u200d🔬👨\u200d👩\u200d👧 family",
        "שלום עולם, مرحبا",
        unicodedata.normalize("NFD", "대한민국의 수도는 서울이다."),
        "word " * 3000,
        "\u200b\u202e\ufeff",
    ],
)
@pytest.mark.parametrize("question", ["?!…", "who was it?", "👩\u200d🔬", "\u0301", "왜"])
def test_any_kind_of_text_gives_right_offsets_or_no_answer(reader: ExtractiveReader, question: str, text: str) -> None:
    document = f"before {text} after"
    passage = Passage("p", text, "title", "d", start=7)
    [reading] = reader.read([Candidates(question, (passage,), (1.0,))], n_best=3)
    for answer in reading.answers:
        assert document[passage.start + answer.start : passage.start + answer.end] == answer.text != ""


@pytest.mark.slow
def test_a_megabyte_is_read(tokenizer: Any) -> None:
    text = "the king of all " * 62_500
    [reading] = letter_reader(tokenizer, 500).read([candidates("who?", text)])
    [answer] = reading.answers
    assert text[answer.start : answer.end] == answer.text


def test_a_model_without_answer_heads_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(ModelError, match="qa_outputs"):
        load_reader(tiny_checkpoint)


def test_windows_that_make_no_progress_are_refused() -> None:
    with pytest.raises(ConfigError, match="leaves no new tokens"):
        ReaderConfig(max_tokens=64, stride=60)
