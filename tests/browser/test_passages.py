"""Passages and controls in Chromium: why a passage has its rank, retrievers side by side, what is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.asking import QUESTION, ask, body_of, get, post
from tests.browser.conftest import OpenPage
from tests.browser.served import HACK

pytestmark = pytest.mark.browser


def test_three_retrievers_side_by_side_with_the_ranks_of_the_interface(open_page: OpenPage, address: str) -> None:
    page = open_page()
    ask(page)
    page.get_by_role("radio", name="Side by side").click()
    expected = {}
    for name in ("hybrid", "bm25", "dense"):
        [result] = post(address, "v1/retrieve", {"question": QUESTION, "retriever": name})["results"]
        expected[name] = {hit["passage"]["id"]: hit["rank"] for hit in result["hits"]}
    for name, title in {"hybrid": "Hybrid", "bm25": "BM25", "dense": "Dense"}.items():
        column = page.get_by_role("region", name=title)
        entries = column.locator(".entry")
        expect(entries).to_have_count(len(expected[name]))
        for entry in entries.all():
            passage = entry.get_attribute("data-passage")
            assert passage is not None
            assert entry.locator(".rank").inner_text() == str(expected[name][passage])
            for other in expected.keys() - {name}:
                label = {"hybrid": "Hybrid", "bm25": "BM25", "dense": "Dense"}[other]
                rank = expected[other].get(passage)
                chip = f"{label}: rank {rank}" if rank else f"{label}: –"
                expect(entry.get_by_text(chip, exact=True)).to_be_visible()
    page.locator(".entry").first.hover()
    highlighted = page.locator(".entry.same")
    expect(highlighted).to_have_count(sum("blue" in ranks for ranks in expected.values()))
    expect(page.locator(".entry .badge")).to_have_count(highlighted.count())


def test_a_passage_that_is_opened_says_why_it_has_its_rank(open_page: OpenPage, address: str) -> None:
    page = open_page()
    ask(page)
    first = page.locator(".hit").first
    first.get_by_role("button").click()
    explained = post(address, "v1/explain", {"question": QUESTION, "passage_id": "blue"})["explanation"]["lists"]
    for name, label in {"dense": "Dense", "bm25": "BM25"}.items():
        fused = explained[name]["fused"]
        cells = [explained[name]["rank"], f"{explained[name]['score']:.3f}"]
        cells += [f"{fused['weight']:.2f}", f"{fused['contribution']:.2f}"]
        row = first.get_by_role("row", name=label)
        assert [cell.inner_text() for cell in row.get_by_role("cell").all()] == [str(cell) for cell in cells]
    present = [term["term"] for term in explained["bm25"]["terms"] if term["count"]]
    expect(first.locator(".terms li span")).to_have_text(present)
    ask(page, "zebra company computer")
    page.locator(".hit").first.get_by_role("button").click()
    expect(page.get_by_text("Not in the passage: zebra")).to_be_visible()


def test_matched_terms_stand_beside_the_first_passages_of_bm25_and_those_that_are_opened(open_page: OpenPage) -> None:
    page = open_page()
    ask(page)
    page.get_by_role("radio", name="Side by side").click()
    column = page.get_by_role("region", name="BM25")
    expect(column.locator(".terms")).to_have_count(5)
    expect(column.locator(".entry").first.locator(".terms li span").first).to_be_visible()
    sixth = column.locator(".entry").nth(5)
    expect(sixth.locator(".terms")).to_have_count(0)
    sixth.get_by_role("button").click()
    expect(sixth.locator(".terms")).to_have_count(1)


def test_reranking_is_offered_where_the_server_has_a_reranker(open_page: OpenPage, address: str) -> None:
    page = open_page(expected=("422",))
    expect(page.locator("#facts")).not_to_be_empty()
    page.route("**/v1/info", lambda route: route.fulfill(json={**get(address, "v1/info"), "reranker": "toy"}))
    page.reload()
    expect(page.get_by_label("Rerank")).to_be_checked()
    with page.expect_request("**/v1/query") as request:
        ask(page)
    assert body_of(request.value)["rerank"] is True


def test_several_indexes_are_offered_by_name(open_page: OpenPage, index: Path) -> None:
    page = open_page(expected=("422",))
    expect(page.get_by_label("Index")).to_be_hidden()
    sparse = {"name": HACK, "retrievers": ["bm25"], "retriever_default": "bm25"}
    page.route("**/v1/indexes", lambda route: route.fulfill(json={"indexes": [{"name": "default"}, sparse]}))
    page.reload()
    expect(page.get_by_label("Retriever")).to_have_value("hybrid")
    page.get_by_label("Index").select_option(HACK)
    expect(page.get_by_label("Retriever")).to_have_value("bm25")
    with page.expect_request("**/v1/query") as request:
        ask(page)
    assert (body_of(request.value)["index"], body_of(request.value)["retriever"]) == (HACK, "bm25")


def test_the_controls_are_those_of_the_server_and_are_sent(open_page: OpenPage, address: str) -> None:
    page = open_page()
    options = page.get_by_label("Retriever").locator("option")
    expect(page.locator("#facts")).not_to_be_empty()
    names = [option.get_attribute("value") for option in options.all()]
    assert names == get(address, "v1/info")["retrievers"]
    expect(page.get_by_label("Rerank")).to_be_hidden()
    page.get_by_label("Retriever").select_option("bm25")
    page.get_by_label("Passages").fill("3")
    with page.expect_request("**/v1/query") as request:
        ask(page)
    assert body_of(request.value) == {"question": QUESTION, "retriever": "bm25", "k": 3, "n_best": 3}
    expect(page.locator(".hit")).to_have_count(3)
