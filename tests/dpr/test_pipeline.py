"""QA over a small index on disk, with a hash encoder and a reader that tells what it was given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpr.errors import RequestError
from dpr.measured import TokensRead
from dpr.pipeline import QA, RetrievalOptions
from dpr.questions import MAX_QUESTION_CHARACTERS, broken_rule
from dpr.search.fusion import Fusion
from dpr.search.lazy import Lazy
from dpr.search.open import OpenIndex, open_index
from dpr.search.reranking import RerankOptions
from dpr.types import Answer, Candidates, FloatArray, Reader, Reading
from index_builder.build import BuildOptions, build
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import small_index

DOCUMENTS = {
    "moon": "armstrong walked on the moon in 1969",
    "hangul": "king sejong created hangul in 1443",
    "seoul": "the han river flows through seoul",
    "서울": "한강은 서울을 흐른다",
}


class CountingEncoder(HashEncoder):
    """Counts the calls that encode questions."""

    calls = 0

    def encode_questions(self, questions: Sequence[str]) -> FloatArray:
        self.calls += 1
        return super().encode_questions(questions)


class FirstWordReader:
    """Answers with the first word of each passage, and keeps what it was given."""

    name = "first-word"

    def __init__(self) -> None:
        self.batches: list[Sequence[Candidates]] = []

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        self.batches.append(batch)
        return [self._reading(candidates, n_best) for candidates in batch]

    def _reading(self, candidates: Candidates, n_best: int) -> Reading:
        words = [(passage, passage.text.split()[0]) for passage in candidates.passages]
        answers = [Answer(word, passage.id, 0, len(word), 1.0, 2.0, 1.0) for passage, word in words]
        return Reading(tuple(answers[:n_best]), is_answered=True, no_answer_score=-1.0)


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    lines = [json.dumps({"id": key, "text": text}, ensure_ascii=False) for key, text in DOCUMENTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    build(BuildOptions(sources=(str(folder / "corpus.jsonl"),), output=folder / "index"), HashEncoder(), WordAnalyzer())
    return folder / "index"


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def index(index_folder: Path, encoder: CountingEncoder) -> OpenIndex:
    return open_index(index_folder, encoder=encoder, analyzer=WordAnalyzer())


@pytest.fixture
def reader() -> FirstWordReader:
    return FirstWordReader()


@pytest.fixture
def qa(index: OpenIndex, reader: FirstWordReader) -> QA:
    return QA(index, reader)


@pytest.mark.parametrize("retriever", ["dense", "bm25", "tfidf", "rank-bm25", "hybrid"])
def test_each_retriever_finds_the_passage(qa: QA, retriever: str) -> None:
    [hits] = qa.retrieve(["king sejong created hangul"], retriever=retriever, k=2)
    assert hits[0].passage_id == "hangul"
    assert hits[0].text == DOCUMENTS["hangul"]


def test_all_questions_are_encoded_in_one_call(qa: QA, encoder: CountingEncoder) -> None:
    questions = ["the moon", "hangul", "seoul"]
    found = qa.retrieve(questions, retriever="hybrid", k=1)
    assert encoder.calls == 1
    assert [hits[0].passage_id for hits in found] == ["moon", "hangul", "seoul"]


def test_a_batch_gives_what_its_questions_give_alone(qa: QA) -> None:
    questions = ["the moon", "한강은 어디를 흐르는가", "hangul"]
    assert qa.retrieve(questions, k=3) == [qa.retrieve([question], k=3)[0] for question in questions]


def test_the_reader_reads_all_questions_at_once_with_passages_and_scores_in_order(
    qa: QA, reader: FirstWordReader
) -> None:
    answered = qa.answer(["the moon", "hangul"], retriever="hybrid", k=3)
    [batch] = reader.batches
    for candidates, result in zip(batch, answered, strict=True):
        assert candidates.question == result.question
        assert [passage.id for passage in candidates.passages] == [hit.passage_id for hit in result.hits]
        assert candidates.scores == tuple(hit.score for hit in result.hits)
        assert len(candidates.passages) == 3
        assert result.passages == candidates.passages


def test_an_answer_is_a_span_of_a_retrieved_passage(qa: QA) -> None:
    [result] = qa.answer(["who created hangul"], k=2, n_best=2)
    assert result.reading.answers[0].text == "king"
    texts = {passage.id: passage.text for passage in result.passages}
    assert all(texts[answer.passage_id][answer.start : answer.end] == answer.text for answer in result.reading.answers)
    assert result.generation == "000001"


class ShortSighted(HashEncoder):
    """Reads three words of a question."""

    def tokens_read(self, question: str) -> TokensRead:
        return TokensRead(min(3, len(question.split())), len(question.split()))


class NotingReader(FirstWordReader):
    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        return [replace(reading, note="the reader says so") for reading in super().read(batch, n_best)]


def test_what_is_not_read_of_a_question_is_noted(index_folder: Path, reader: FirstWordReader) -> None:
    index = open_index(index_folder, encoder=ShortSighted(), analyzer=WordAnalyzer())
    long, short = "the han river through seoul", "the moon"
    note = "the encoder read the first 3 of 5 tokens of the question"
    for name, expected in (("dense", note), ("hybrid", note), ("bm25", "")):
        answered = QA(index, reader).answer([long, short], retriever=name)
        assert [result.reading.note for result in answered] == [expected, ""]
        assert [QA(index, None).note(question, name) for question in (long, short)] == [expected, ""]
    [result] = QA(index, NotingReader()).answer([long])
    assert result.reading.note == f"{note}; the reader says so"


def test_a_question_without_hits_is_not_read(qa: QA, reader: FirstWordReader) -> None:
    nothing, something = qa.answer(["zebra", "hangul"], retriever="bm25")
    assert (nothing.hits, nothing.passages, nothing.reading) == ((), (), Reading())
    assert something.reading.is_answered
    assert [candidates.question for candidates in reader.batches[0]] == ["hangul"]


def test_nothing_is_read_when_nothing_is_found(qa: QA, reader: FirstWordReader) -> None:
    [nothing] = qa.answer(["zebra"], retriever="bm25")
    assert not nothing.reading.is_answered
    assert reader.batches == []


def test_no_questions_give_no_answers(qa: QA) -> None:
    assert qa.retrieve([]) == []
    assert qa.answer([]) == []


def test_the_fusion_is_handed_on(qa: QA) -> None:
    [[hit, *_]] = qa.retrieve(["hangul"], fusion=Fusion("rrf", {"dense": 0.0, "bm25": 1.0}))
    assert hit.score == pytest.approx(1 / 61)
    with pytest.raises(RequestError) as caught:
        qa.retrieve(["hangul"], retriever="bm25", fusion=Fusion("rrf"))
    assert caught.value.field == "fusion"


def test_times_are_shared_and_add_up(qa: QA) -> None:
    first, second = qa.answer(["the moon", "hangul"])
    assert first.timings == second.timings
    assert first.timings.retrieve_ms > 0
    assert first.timings.retrieve_ms + first.timings.read_ms == pytest.approx(first.timings.total_ms)


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("", "question_empty"),
        (" \n\u3000", "question_empty"),
        ("x" * (MAX_QUESTION_CHARACTERS + 1), "question_too_long"),
        ("a\0b", "question_invalid_character"),
        ("a\ud800b", "question_invalid_character"),
        ("x" * MAX_QUESTION_CHARACTERS, None),
        ("?", None),
        ("😀 emoji", None),
    ],
)
def test_a_question_is_text_of_a_good_length(qa: QA, question: str, code: str | None) -> None:
    broken = broken_rule(question)
    assert (broken and broken[0]) == code
    if code is None:
        qa.retrieve([question], retriever="bm25")
    else:
        with pytest.raises(RequestError) as caught:
            qa.retrieve(["fine", question], retriever="bm25")
        assert caught.value.field == "question"


def test_the_length_is_told() -> None:
    assert broken_rule("x" * 1234) == (
        "question_too_long",
        "the question has 1,234 characters, over the limit of 1,000; shorten it",
    )


@pytest.mark.parametrize(("field", "value"), [("k", 0), ("k", 101), ("n_best", 0), ("n_best", 21)])
def test_numbers_have_a_range(qa: QA, field: str, value: int) -> None:
    with pytest.raises(RequestError, match=f"{field} is {value}") as caught:
        qa.answer(["hangul"], k=value if field == "k" else 1, n_best=value if field == "n_best" else 1)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("questions", "k", "message"),
    [
        (5, 1, "the question is 5; give a text, or a list of texts"),
        (["fine", None], 1, "the question is None; give a text"),
        ("fine", "5", "k is '5'; choose a whole number, 1 to 100"),
        ("fine", 2.0, "k is 2.0; choose a whole number, 1 to 100"),
    ],
)
def test_what_has_another_type_is_refused(qa: QA, questions: Any, k: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        qa.retrieve(questions, k=k)
    assert str(caught.value) == message


def test_an_unknown_retriever_is_refused(qa: QA) -> None:
    with pytest.raises(RequestError, match="unknown retriever ''"):
        qa.retrieve("hangul", retriever="")
    with pytest.raises(RequestError, match="bm26") as caught:
        qa.retrieve(["hangul"], retriever="bm26")
    assert caught.value.field == "retriever"


def test_one_question_gives_one_result_and_many_give_a_list(qa: QA) -> None:
    assert qa.retrieve("hangul", k=2) == qa.retrieve(["hangul"], k=2)[0] == qa.retrieve(("hangul",), k=2)[0]
    alone, [in_list] = qa.answer("hangul", k=2), qa.answer(["hangul"], k=2)
    assert (alone.question, alone.hits, alone.answers) == (in_list.question, in_list.hits, in_list.answers)
    assert alone.answers[0].text == "king"
    assert alone.is_answered


def test_options_hold_where_a_call_says_nothing_else(index: OpenIndex) -> None:
    qa = QA(index, retrieval=RetrievalOptions("hybrid", Fusion("rrf", {"dense": 0.0, "bm25": 1.0})))
    assert qa.retrieve("hangul")[0].score == pytest.approx(1 / 61)
    assert qa.retrieve("hangul", fusion=Fusion("rrf", {"dense": 1.0, "bm25": 1.0}))[0].score > 1 / 61
    assert list(qa.retrieve("hangul", retriever="bm25")[0].lists) == ["bm25"]
    assert list(QA(index, retrieval=RetrievalOptions("bm25")).retrieve("hangul")[0].lists) == ["bm25"]


def test_a_lazy_reader_is_opened_by_the_first_answer(index: OpenIndex, reader: FirstWordReader) -> None:
    opened: list[str] = []

    def load() -> FirstWordReader:
        opened.append("reader")
        return reader

    qa = QA(index, Lazy(load))
    qa.retrieve("hangul")
    assert opened == []
    qa.answer("hangul")
    qa.answer("seoul")
    assert opened == ["reader"]
    assert qa.reader is reader


class FailingGenerator:
    """Lets its fallback answer, and knows whether it was closed."""

    name = "failing"
    is_closed = False
    fallback: Reader | None = None

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        assert self.fallback is not None
        return self.fallback.read(batch, n_best)

    def close(self) -> None:
        self.is_closed = True


def test_a_generator_has_the_reader_behind_it_and_is_closed_with_the_pipeline(
    index: OpenIndex, reader: FirstWordReader
) -> None:
    generator = FailingGenerator()
    with QA(index, Lazy(lambda: reader), generator) as qa:
        assert qa.answer("hangul").answers[0].text == "king"
        assert qa.answering_reader() is generator
        assert not generator.is_closed
    assert generator.is_closed


def test_without_a_reader_there_is_retrieval_alone(index: OpenIndex) -> None:
    qa = QA(index, None)
    assert qa.retrieve(["hangul"])
    with pytest.raises(RequestError, match="no reader"):
        qa.answer(["hangul"])


def test_the_default_retriever_is_what_the_index_has(tmp_path: Path, index: OpenIndex) -> None:
    small_index(tmp_path / "sparse", encoder=None)
    sparse = open_index(tmp_path / "sparse", analyzer=WordAnalyzer())
    assert [QA(opened).default_retriever for opened in (index, sparse)] == ["hybrid", "bm25"]
    assert list(QA(sparse).retrieve("capital of France")[0].lists) == ["bm25"]
    assert QA(sparse).note("capital of France") == ""
    assert QA(sparse, retrieval=RetrievalOptions(rerank=RerankOptions("x"))).default_retriever == "bm25+rerank"
    with pytest.raises(RequestError, match=r"no vectors for the retriever 'hybrid'.*choose from bm25"):
        QA(sparse, retrieval=RetrievalOptions("hybrid")).retrieve("capital of France")
    with pytest.raises(RequestError, match="'bm25' fuses no lists"):
        QA(sparse, retrieval=RetrievalOptions(fusion=Fusion("rrf"))).retrieve("capital of France")
