"""Filters and facets over HTTP, and by the client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dpr.client.calls import Call, explain_call, query_call, retrieve_call
from dpr.errors import RequestError
from dpr.filters import Condition
from dpr.pipeline import QA
from dpr.search.open import open_index
from index_builder.build import BuildOptions, build
from index_builder.from_python import IndexOptions, build_index
from service.jobs.document import Change, put_change, read_lines
from tests.fakes import HashEncoder, WordAnalyzer
from tests.service.fakes import FakeReader, serving

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "the king built a palace", "category": "history", "year": 1443, "tags": ["old"]},
    {"id": "b", "text": "the king ate", "category": "food", "year": 2020, "day": "2024-01-31"},
    {"id": "c", "text": "the palace has a restaurant", "category": "food", "year": 2022, "open": True},
]
FOOD = {"field": "category", "operator": "==", "value": "food"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("filters")
    path = root / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    build(BuildOptions(sources=(str(path),), output=root / "index"), HashEncoder(), WordAnalyzer())
    opened = open_index(root / "index", HashEncoder(), WordAnalyzer())
    with serving(lambda: QA(opened, FakeReader())) as client:
        yield client


def ids(client: TestClient, **body: Any) -> list[str]:
    response = client.post("/v1/retrieve", json={"question": "the king in the palace", **body})
    assert response.status_code == 200, response.text
    return [hit["passage"]["id"] for hit in response.json()["results"][0]["hits"]]


@pytest.mark.parametrize("retriever", ["dense", "bm25", "tfidf", "hybrid"])
def test_the_hits_are_those_that_the_filter_keeps(client: TestClient, retriever: str) -> None:
    assert sorted(ids(client, retriever=retriever)) == ["a", "b", "c"]
    assert sorted(ids(client, retriever=retriever, filter=FOOD)) == ["b", "c"]
    recent = {"operator": "AND", "conditions": [FOOD, {"field": "year", "operator": ">", "value": 2020}]}
    assert ids(client, retriever=retriever, filter=recent) == ["c"]
    assert ids(client, retriever=retriever, filter={"operator": "NOT", "conditions": [FOOD]}) == ["a"]
    assert ids(client, retriever=retriever, filter={"field": "open", "operator": "exists"}) == ["c"]
    assert ids(client, retriever=retriever, filter={"field": "day", "operator": "<", "value": "2024-02-01"}) == ["b"]


def test_a_hit_has_the_fields_of_its_passage(client: TestClient) -> None:
    response = client.post("/v1/retrieve", json={"question": "king", "filter": {**FOOD, "value": "food"}, "k": 1})
    passage = response.json()["results"][0]["hits"][0]["passage"]
    assert passage["metadata"] == {"category": "food", "year": 2020, "day": "2024-01-31"}


def test_answers_and_explanations_are_of_filtered_passages(client: TestClient) -> None:
    answer = client.post("/v1/query", json={"question": "king", "filter": FOOD}).json()["results"][0]
    assert answer["hits"][0]["passage"]["id"] == "b"
    explained = client.post("/v1/explain", json={"question": "king", "filter": FOOD, "retriever": "bm25"}).json()
    assert explained["explanation"]["passage"]["id"] == "b"
    body = {"question": "king", "passage_id": "a", "filter": FOOD, "retriever": "bm25"}
    left_out = client.post("/v1/explain", json=body).json()["explanation"]
    assert left_out["rank"] is None
    assert left_out["lists"]["bm25"]["score"] > 0


def test_requests_of_different_filters_do_not_share_results(client: TestClient) -> None:
    for value in (2020, 2022, 2020):
        condition = {"field": "year", "operator": "==", "value": value}
        assert ids(client, filter=condition) == [{2020: "b", 2022: "c"}[value]]
    assert client.post(
        "/v1/retrieve", json={"question": "king", "filter": {**FOOD, "field": "open", "value": True}}
    ).is_success
    refused = client.post("/v1/retrieve", json={"question": "king", "filter": {**FOOD, "field": "open", "value": 1}})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            {**FOOD, "field": "author"},
            "names the field 'author', which no passage has; the fields are category (string)",
        ),
        ({**FOOD, "value": 3}, "compares the field 'category', which is of type string, with 3; give a text"),
        ({**FOOD, "operator": "in"}, "has 'in' for the field 'category' with 'food'; give a list of values"),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused(client: TestClient, condition: dict[str, Any], message: str) -> None:
    response = client.post("/v1/retrieve", json={"question": "king", "filter": condition})
    assert response.status_code == 422
    assert message in response.json()["error"]["message"]
    assert response.json()["error"]["field"] == "filter"


@pytest.mark.parametrize("condition", [{"field": "a"}, {"operator": "AND"}, [], "year = 3", {**FOOD, "values": 1}])
def test_a_filter_of_another_form_is_refused(client: TestClient, condition: object) -> None:
    response = client.post("/v1/retrieve", json={"question": "king", "filter": condition})
    assert response.status_code == 422
    assert response.json()["error"]["field"].startswith("filter")


@pytest.mark.parametrize(
    ("condition", "field", "message"),
    [
        ({**FOOD, "value": {"a": 1}}, "filter.value", "the filter has a value that none can be compared with"),
        (
            {**FOOD, "operator": "in", "value": list(range(1001))},
            "filter.value",
            "has a list of 1,001 values, over the",
        ),
        (
            {"operator": "AND", "conditions": [{**FOOD, "operator": "~"}]},
            "filter.conditions[0].operator",
            "choose '=='",
        ),
        ({**FOOD, "condition": 1}, "filter.condition", "filter.condition is not a field of this request"),
    ],
)
def test_a_filter_of_another_form_is_named_as_it_was_sent(
    client: TestClient, condition: dict[str, Any], field: str, message: str
) -> None:
    error = client.post("/v1/retrieve", json={"question": "king", "filter": condition}).json()["error"]
    assert error["field"] == field
    assert message in error["message"]


def test_an_unknown_operator_has_one_code_wherever_it_stands(client: TestClient) -> None:
    wrong = {**FOOD, "operator": "~"}
    nested = {"operator": "AND", "conditions": [FOOD, wrong]}
    for condition, operator in ((wrong, "~"), (nested, "~"), ({"operator": "XOR", "conditions": [FOOD]}, "XOR")):
        error = client.post("/v1/retrieve", json={"question": "king", "filter": condition}).json()["error"]
        assert error["code"] == "unknown_operator"
        assert error["message"].startswith(f"there is no operator '{operator}'; choose")


def test_numbers_and_texts_that_no_field_has_are_no_errors_of_the_server(client: TestClient) -> None:
    def post(condition: str) -> int:
        body = '{"question": "king", "retriever": "bm25", "filter": ' + condition + "}"
        return client.post("/v1/retrieve", content=body, headers={"Content-Type": "application/json"}).status_code

    assert post('{"field": "year", "operator": "<", "value": 9223372036854775808}') == 200
    assert post('{"field": "year", "operator": ">=", "value": 2020.5}') == 200
    assert post('{"field": "category", "operator": "==", "value": "\\ud800"}') == 422


def test_facets_list_fields_values_and_ranges(client: TestClient) -> None:
    facets = client.get("/v1/facets").json()
    assert facets["passages"] == 3
    assert facets["fields"]["category"] == {
        "type": "string",
        "passages": 3,
        "distinct": 2,
        "least": None,
        "greatest": None,
        "values": [{"value": "food", "passages": 2}, {"value": "history", "passages": 1}],
    }
    assert facets["fields"]["day"]["least"] == "2024-01-31"
    assert (facets["fields"]["year"]["least"], facets["fields"]["year"]["greatest"]) == (1443, 2022)
    assert len(client.get("/v1/facets", params={"limit": 1}).json()["fields"]["category"]["values"]) == 1
    assert client.get("/v1/facets", params={"limit": 1000}).status_code == 422


def test_the_client_sends_every_form_of_a_filter() -> None:
    for form in (Condition("category", "==", "food"), FOOD, 'category = "food"'):
        assert body_of(retrieve_call("king", 3, {"filter": form}))["filter"] == FOOD
    assert body_of(query_call("king", 3, 1, {"filter": FOOD}))["filter"] == FOOD
    assert body_of(explain_call("king", None, 1, {"filter": FOOD}))["filter"] == FOOD
    with pytest.raises(RequestError, match="the filter ends at position 11"):
        retrieve_call("king", 3, {"filter": "category ="})


def body_of(call: Call) -> dict[str, Any]:
    return dict(call.body or {})


def test_a_document_that_is_put_keeps_its_fields() -> None:
    change = put_change("a", "t", "x", {"category": "인사", "year": 3, "tags": ["x"], "nothing": None})
    assert change.metadata == {"category": "인사", "year": 3, "tags": ["x"]}
    assert Change.from_json(change.to_json()) == change
    [line] = read_lines(b'{"id": "a", "text": "x", "metadata": {"day": "2024-01-31"}}')
    assert line.change == Change("a", "x", metadata={"day": "2024-01-31"})
    with pytest.raises(RequestError, match="the field 'place' is an object; give a string, a number"):
        put_change("a", "t", "x", {"place": {"city": "서울"}})
    [line] = read_lines(b'{"id": "a", "text": "x", "metadata": {"title": "y"}}')
    assert "the field 'title' is one of the passage's own" in line.error


def test_facets_of_a_generation_are_counted_once(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get("/v1/facets").json()
    monkeypatch.setattr("dpr.search.filtered.facet_of", None)
    assert client.get("/v1/facets").json() == first
    one = client.get("/v1/facets", params={"limit": 1}).json()["fields"]["category"]
    assert one == {**first["fields"]["category"], "values": [{"value": "food", "passages": 2}]}


FIRST_FILTER = """
import sys
from pathlib import Path
from service.models import Models
from service.settings import Settings

folder = Path(sys.argv[1])
qa = Models(Settings(index=folder, no_reader=True)).open(folder)
modules = set(sys.modules)
print(len(qa.retrieve("king", retriever="bm25", filter="year > 2000")), "pandas" in sys.modules.keys() - modules)
"""


def test_the_first_filter_of_a_server_imports_nothing_large(tmp_path: Path) -> None:
    build_index(ROWS, tmp_path / "index", encoder=None, options=IndexOptions("words"))
    command = [sys.executable, "-c", FIRST_FILTER, str(tmp_path / "index")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.split() == ["1", "False"]
