"""A router explains ranks and counts fields as one server of the whole index does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from dpr.pipeline import QA
from dpr.search.filtered import MAX_VALUES
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex
from tests.service.routing import PASSAGES, QUESTIONS, node, router, wait_until


def explained(asking: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = asking.post("/v1/explain", json=fields)
    assert response.status_code == 200, response.text
    explanation: dict[str, Any] = response.json()["explanation"]
    return explanation


@pytest.mark.parametrize("name", ["bm25", "tfidf", "dense", "hybrid"])
def test_an_explanation_is_that_of_one_index(routed: httpx.Client, whole: OpenIndex, name: str) -> None:
    qa = QA(whole)
    for question in QUESTIONS[::5]:
        for passage in PASSAGES[::9]:
            expected = qa.explain(question, passage.id, retriever=name).to_dict()
            assert explained(routed, question=question, passage_id=passage.id, retriever=name) == expected


def test_a_passage_may_be_named_by_its_rank(routed: httpx.Client, whole: OpenIndex) -> None:
    for rank in (1, 4, 30):
        expected = QA(whole).explain(QUESTIONS[2], rank=rank).to_dict()
        assert explained(routed, question=QUESTIONS[2], rank=rank) == expected


def test_ranks_are_those_under_the_filter_and_the_fusion_of_the_request(routed: httpx.Client, whole: OpenIndex) -> None:
    condition = {"field": "year", "operator": ">=", "value": 2004}
    weights = {"dense": 0.3, "bm25": 0.7}
    choices: dict[str, Any] = {"filter": condition, "rank": 2}
    expected = QA(whole).explain("winter bridge", fusion=Fusion("rrf", weights), **choices).to_dict()
    assert explained(routed, question="winter bridge", fusion="rrf", weights=weights, **choices) == expected


def test_a_passage_that_no_shard_has_is_refused(routed: httpx.Client) -> None:
    response = routed.post("/v1/explain", json={"question": "winter", "passage_id": "nowhere"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_passage")


def test_facets_are_those_of_one_index(routed: httpx.Client, whole: OpenIndex) -> None:
    body = routed.get("/v1/facets", params={"limit": 4}).json()
    assert body["passages"] == len(PASSAGES)
    for name, facet in whole.filtered.facets(None, 4).items():
        assert [(entry["value"], entry["passages"]) for entry in body["fields"][name]["values"]] == list(facet.values)
        for key in ("type", "passages", "distinct", "least", "greatest"):
            assert body["fields"][name][key] == getattr(facet, key)
    assert list(body["fields"]) == ["year"]
    assert len(routed.get("/v1/facets", params={"limit": MAX_VALUES}).json()["fields"]["year"]["values"]) == 6


def test_without_a_shard_ranks_are_not_explained_and_fields_are_counted(folders: list[Path]) -> None:
    with node(folders[1]) as second, node(folders[2]) as third, ExitStack() as lost:
        first = lost.enter_context(node(folders[0]))
        with router([first, second, third]) as asking:
            counted = asking.get("/v1/facets").json()
            explained(asking, question="winter", passage_id="p00")
            lost.close()
            wait_until(lambda: bool(asking.get("/readyz").json()["shards"]["missing"]))
            for named in ({"passage_id": "p00"}, {"passage_id": "nowhere"}, {"rank": 1}):
                response = asking.post("/v1/explain", json={"question": "winter", **named})
                assert (response.status_code, response.json()["error"]["code"]) == (503, "shards_lost")
                assert "shard 1" in response.json()["error"]["message"]
            assert asking.get("/v1/facets").json() == counted
