"""The page offers a control for each field of the index, and asks of the passages that they say."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.asking import ask, body_of, post
from tests.browser.conftest import OpenPage
from tests.browser.served import HACK

pytestmark = pytest.mark.browser


def test_a_value_and_a_range_are_sent_as_a_filter(open_page: OpenPage, address: str) -> None:
    page = open_page()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("category").select_option("machine")
    page.get_by_label("year from").fill("2001")
    page.get_by_label("published to").fill("2024-05-01")
    with page.expect_request("**/v1/query") as sent:
        ask(page)
    conditions = [
        {"field": "category", "operator": "==", "value": "machine"},
        {"field": "published", "operator": "<=", "value": "2024-05-01"},
        {"field": "year", "operator": ">=", "value": 2001},
    ]
    body = body_of(sent.value)
    assert body["filter"] == {"operator": "AND", "conditions": conditions}
    names = ("question", "retriever", "k", "filter")
    [result] = post(address, "v1/retrieve", {name: body[name] for name in names})["results"]
    assert sorted(hit["passage"]["id"] for hit in result["hits"]) == ["more-1", "more-3", "more-5"]
    expect(page.locator(".hit")).to_have_count(3)
    page.get_by_label("category").select_option("")
    page.get_by_label("year from").fill("")
    page.get_by_label("published to").fill("")
    with page.expect_request("**/v1/query") as sent:
        ask(page)
    assert "filter" not in body_of(sent.value)


def test_a_passage_that_is_opened_shows_its_fields(open_page: OpenPage) -> None:
    page = open_page()
    ask(page)
    first = page.locator(".hit").first
    first.get_by_role("button").click()
    facts = first.locator("dl")
    expect(facts).to_contain_text("category")
    expect(facts).to_contain_text("machine")
    expect(facts).to_contain_text(f"chess, {HACK}")
    assert page.evaluate("window.hacked") is None


def test_what_is_chosen_stays_when_the_language_changes(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("category").select_option("인사")
    page.get_by_role("button", name="한국어").click()
    expect(page.get_by_text("필터", exact=True)).to_be_visible()
    expect(page.get_by_label("category")).to_have_value("인사")
