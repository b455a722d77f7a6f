"""``/v1/embeddings``: OpenAI's form, byte by byte and by its own client."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from dpr.measured import TokensRead
from dpr.pipeline import QA
from dpr.search.open import open_index
from dpr.types import FloatArray, Passage, Progress, no_progress
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader, serving
from tests.service.live import live
from tests.service.test_errors import error_of, post
from tests.small_index import PASSAGES, small_index

MODEL = HashEncoder.name
ASKED: dict[str, Any] = {"model": MODEL, "input": "Who built Deep Blue?"}


class PromptedEncoder(HashEncoder):
    """Encodes passages with a prompt, and counts words as tokens, of which it reads four."""

    def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
        return np.stack([self._vector(f"passage: {passage.text}") for passage in passages])

    def tokens_read(self, question: str) -> TokensRead:
        return TokensRead(min(4, len(question.split())), len(question.split()))

    def text_tokens(self, passages: Sequence[Passage]) -> list[TokensRead]:
        return [self.tokens_read(passage.text) for passage in passages]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


ENCODER = PromptedEncoder()


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> QA:
    root = tmp_path_factory.mktemp("embeddings") / "index"
    small_index(root, PASSAGES, ENCODER)
    return QA(open_index(root, encoder=ENCODER, analyzer=WordAnalyzer()), FakeReader())


@pytest.fixture(scope="module")
def client(qa: QA) -> Iterator[TestClient]:
    with serving(lambda: qa) as client:
        yield client


def embed(client: TestClient, **fields: object) -> dict[str, Any]:
    response = client.post("/v1/embeddings", json={**ASKED, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def vectors_of(body: dict[str, Any]) -> FloatArray:
    return np.array([item["embedding"] for item in body["data"]], dtype=np.float32)


def test_one_text_has_one_vector_that_of_a_question(client: TestClient) -> None:
    body = embed(client)
    assert (body["object"], body["model"], body["generation"]) == ("list", MODEL, "000001")
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", 0)]
    np.testing.assert_array_equal(vectors_of(body), ENCODER.encode_questions([ASKED["input"]]))
    assert body["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_several_texts_keep_their_order_and_passages_are_encoded_as_such(client: TestClient) -> None:
    texts = ["한글은 1443년에", "a b c d e f", "x"]
    body = embed(client, input=texts, input_type="passage")
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    np.testing.assert_array_equal(vectors_of(body), ENCODER.encode_passages([Passage("", text) for text in texts]))
    assert body["usage"]["prompt_tokens"] == 2 + 4 + 1
    assert not np.allclose(vectors_of(body), vectors_of(embed(client, input=texts)))


def test_base64_has_the_same_float32(client: TestClient) -> None:
    [item] = embed(client, encoding_format="base64")["data"]
    numbers = np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4")
    np.testing.assert_array_equal(numbers, vectors_of(embed(client))[0])


def test_an_encoder_that_does_not_count_gets_an_estimate(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("plain") / "index"
    small_index(root)
    qa = QA(open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer()))
    with serving(lambda: qa) as client:
        assert embed(client)["usage"]["prompt_tokens"] == len(ASKED["input"]) // 4 + 1


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"model": "text-embedding-3-small"}, 404, "unknown_model", "model"),
        ({"dimensions": 16}, 422, "invalid_request", "dimensions"),
        ({"input": ""}, 422, "text_empty", "input[0]"),
        ({"input": ["fine", " "]}, 422, "text_empty", "input[1]"),
        ({"input": []}, 422, "too_few", "input"),
        ({"input": ["x"] * 257}, 422, "too_many", "input"),
        ({"input": "x" * 32_001}, 422, "too_long", "input[0]"),
        ({"input": [1, 2, 3]}, 422, "wrong_type", "input[0]"),
        ({"input": "\ud800"}, 422, "not_text", "input[0]"),
        ({"input_type": "query"}, 422, "unknown_input_type", "input_type"),
        ({"encoding_format": "hex"}, 422, "unknown_encoding_format", "encoding_format"),
        ({"truncate": True}, 422, "unknown_field", "truncate"),
    ],
)
def test_what_cannot_be_encoded_is_one_sentence(
    client: TestClient, fields: dict[str, object], status: int, code: str, field: str
) -> None:
    message = error_of(post(client, "/v1/embeddings", {**ASKED, **fields}), status, code, field)
    if code == "unknown_model":
        assert f"ask for {MODEL!r}" in message


def test_an_index_without_vectors_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("words") / "index"
    small_index(root, encoder=None)
    with serving(lambda: QA(open_index(root, analyzer=WordAnalyzer())), retriever_default="bm25") as client:
        error_of(post(client, "/v1/embeddings", ASKED), 422, "invalid_request", "model")


def test_the_official_client_is_served(qa: QA, monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("openai", reason="needs the package openai")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with live(lambda: qa) as address, openai.OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        texts = ["Who built Deep Blue?", "한라산"]
        response = client.embeddings.create(model=MODEL, input=texts)  # base64, unless it is told otherwise
        np.testing.assert_allclose([item.embedding for item in response.data], ENCODER.encode_questions(texts))
        assert (response.model, response.usage.total_tokens) == (MODEL, 5)
        passages = client.embeddings.create(
            model=MODEL, input=texts[0], encoding_format="float", extra_body={"input_type": "passage"}
        )
        np.testing.assert_allclose(passages.data[0].embedding, ENCODER.encode_passages([Passage("", texts[0])])[0])
        with pytest.raises(openai.NotFoundError, match="this index has no encoder 'other'"):
            client.embeddings.create(model="other", input="x")
        with pytest.raises(openai.UnprocessableEntityError, match="leave dimensions out"):
            client.embeddings.create(model=MODEL, input="x", dimensions=8)
