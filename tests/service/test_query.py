"""What good requests get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.pipeline import QA
from dpr.reader.extractive.reader import load_reader
from dpr.search.fusion import MISSING_RULES
from dpr.search.open import open_index
from dpr.store.windows import WindowRule
from dpr.types import Passage
from service.scheduler import PIECE_TOKENS
from service.work import PieceFacts
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import DOCUMENT, PASSAGES, FakeReader, fake_qa, serving
from tests.small_index import small_index


def ask(client: TestClient, path: str, **body: object) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def test_one_question_gets_one_result(client: TestClient) -> None:
    response = ask(client, "/v1/retrieve", question="Who created Hangul?")
    assert [result["question"] for result in response["results"]] == ["Who created Hangul?"]
    assert response["generation"] == "000001"
    assert response["retriever"] == "hybrid"


def test_a_hit_has_its_passage_and_every_list(client: TestClient) -> None:
    [result] = ask(client, "/v1/retrieve", question="created hangul", k=1)["results"]
    assert result["hits"] == [
        {
            "rank": 1,
            "score": 2.0,
            "passage": {
                "id": "p1",
                "title": "Hangul",
                "text": PASSAGES[0].text,
                "document_id": "hangul",
                "start": 34,
                "end": len(DOCUMENT),
                "metadata": {},
            },
            "lists": {
                "dense": {"rank": None, "score": None, "contribution": 0.0},
                "bm25": {"rank": 1, "score": 2.0, "contribution": 2.0},
            },
            "window": None,
            "first_stage": None,
        }
    ]


def test_a_hit_says_which_window_of_a_long_passage_matched(tmp_path: Path) -> None:
    text = " ".join(f"w{number}" for number in range(30))
    small_index(tmp_path / "index", [Passage("long", text), Passage("short", "w29")], windows=WindowRule(8, 2))
    opened = open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer())
    with serving(lambda: QA(opened, FakeReader())) as client:
        for path in ("/v1/retrieve", "/v1/query"):
            [result] = ask(client, path, question="w12 w13 w14", k=2)["results"]
            window = {hit["passage"]["id"]: hit["window"] for hit in result["hits"]}
            assert "w12 w13 w14" in text[window["long"]["start"] : window["long"]["end"]]
            assert len(text[window["long"]["start"] : window["long"]["end"]].split()) == 8
            assert window["short"] is None


def test_a_long_passage_is_read_in_pieces_to_the_same_answer(tmp_path: Path, tiny_reader: Path) -> None:
    text = " ".join(f"w{number % 500}" for number in range(6_000))
    small_index(tmp_path / "index", [Passage("long", text), Passage("short", "w29 w30")], windows=None)
    opened = open_index(tmp_path / "index", encoder=HashEncoder(), analyzer=WordAnalyzer())
    qa = QA(opened, load_reader(tiny_reader, "fp32", backend="torch"))
    pieces: list[PieceFacts] = []
    with serving(lambda: qa) as client:
        client.app.state.engine.scheduler.observe = pieces.append  # type: ignore[attr-defined]
        [result] = ask(client, "/v1/query", question="w29 w30", k=2, retriever="bm25")["results"]
    read = [piece for piece in pieces if piece.operation == "read"]
    assert len(read) > 5
    assert max(piece.tokens for piece in read) <= PIECE_TOKENS
    direct: dict[str, Any] = qa.answer("w29 w30", k=2, retriever="bm25").to_dict()
    assert result["answers"][0] == direct["answers"][0]


def test_a_batch_keeps_its_order(client: TestClient) -> None:
    questions = ["hangul", "river", "한글을 누가?", "nothing shared"]
    results = ask(client, "/v1/retrieve", questions=questions, retriever="bm25")["results"]
    assert [result["question"] for result in results] == questions
    assert [[hit["passage"]["id"] for hit in result["hits"]] for result in results] == [["p1"], ["p3"], ["p2"], []]


@pytest.mark.parametrize("method", sorted(MISSING_RULES))
def test_the_fusion_and_its_missing_rule_are_told(client: TestClient, method: str) -> None:
    weights = {"dense": 0.25, "bm25": 0.75}
    fusion = ask(client, "/v1/retrieve", question="hangul", fusion=method, weights=weights)["fusion"]
    assert fusion == {"method": method, "weights": weights, "coverage_power": 0, "missing_rule": MISSING_RULES[method]}


def test_a_single_list_has_no_fusion(client: TestClient) -> None:
    assert ask(client, "/v1/retrieve", question="hangul", retriever="bm25")["fusion"] is None


def test_the_default_retriever_is_a_setting() -> None:
    with serving(lambda: fake_qa(FakeReader()), retriever_default="bm25") as client:
        assert ask(client, "/v1/retrieve", question="hangul")["retriever"] == "bm25"


def test_an_answer_says_where_it_stands(client: TestClient) -> None:
    response = ask(client, "/v1/query", question="created hangul", k=1)
    [result] = response["results"]
    [answer] = result["answers"]
    assert result["is_answered"] is True
    assert answer["text"] == "King Sejong"
    assert PASSAGES[0].text[answer["start"] : answer["end"]] == "King Sejong"
    assert DOCUMENT[answer["document_start"] : answer["document_end"]] == "King Sejong"
    assert (answer["span_score"], answer["null_score"], answer["score"]) == (5.0, 1.0, 2.0)
    assert [passage["id"] for passage in result["evidence"]] == [answer["passage_id"]]


def test_n_best_answers_come_with_their_passages_in_order(client: TestClient) -> None:
    [result] = ask(client, "/v1/query", question="the king created hangul", n_best=2)["results"]
    assert [answer["passage_id"] for answer in result["answers"]] == ["p1", "p3"]
    assert [passage["id"] for passage in result["evidence"]] == ["p1", "p3"]


def test_no_answer_is_told(client: TestClient) -> None:
    [result] = ask(client, "/v1/query", question="unanswerable hangul")["results"]
    assert (result["is_answered"], result["no_answer_score"]) == (False, -4.0)
    assert len(result["answers"]) == 1


def test_a_question_without_hits_is_not_answered(client: TestClient) -> None:
    [result] = ask(client, "/v1/query", question="zebra")["results"]
    assert result == {
        "question": "zebra",
        "hits": [],
        "weighing": None,
        "is_answered": False,
        "no_answer_score": None,
        "probability": None,
        "answers": [],
        "evidence": [],
        "text": None,
        "cited": [],
        "note": None,
        "error": None,
    }


@pytest.mark.parametrize("path", ["/v1/retrieve", "/v1/query"])
def test_what_is_not_read_of_a_question_is_noted(client: TestClient, path: str) -> None:
    results = ask(client, path, questions=["who was it that created hangul", "who created hangul"])["results"]
    assert [result["note"] for result in results] == [
        "the encoder read the first 5 of 6 tokens of the question",
        None,
    ]


def test_times_add_up(client: TestClient) -> None:
    retrieve = ask(client, "/v1/retrieve", question="hangul")["timings"]
    query = ask(client, "/v1/query", question="hangul")["timings"]
    assert 0 <= retrieve["retrieve_ms"] <= retrieve["total_ms"]
    assert query["retrieve_ms"] + query["read_ms"] == pytest.approx(query["total_ms"], abs=0.01)


def test_hangul_travels_as_it_is(client: TestClient) -> None:
    response = client.post("/v1/query", json={"question": "한글을 만든 이는?"})
    assert "세종대왕은" in response.content.decode("utf-8")
    assert response.headers["content-type"] == "application/json"


def test_a_null_field_is_an_absent_field(client: TestClient) -> None:
    body = {"question": "hangul", "questions": None, "retriever": None, "fusion": None, "weights": None}
    assert ask(client, "/v1/retrieve", **body)["results"][0]["hits"]
