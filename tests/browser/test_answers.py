"""The answer in Chromium: marked in its passage, absent, streamed, and markup in it as text."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.asking import QUESTION, ask, post, refusal
from tests.browser.conftest import OpenPage
from tests.browser.served import HACK, LONGEST_WAIT_S, SpanReader, live, qa_of

pytestmark = pytest.mark.browser
HOSTILE = f"hostile text {HACK}"


def test_the_answer_is_marked_in_its_passage(open_page: OpenPage) -> None:
    page = open_page()
    ask(page)
    answer = page.get_by_role("region", name="Answer")
    expect(answer.locator(".words")).to_have_text("IBM")
    expect(answer.locator("mark.best")).to_have_text("IBM")
    expect(answer.locator("figcaption")).to_have_text("Chess")
    expect(answer.get_by_text("Likely right: 90%")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Answer: IBM. Passages: 10.")
    expect(page).to_have_title(f"{QUESTION} – Dense passage retrieval")


def test_offsets_count_characters_and_not_utf_16_units(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "한라산 정상에 있는 화구호의 이름은")
    expect(page.locator("#answer mark.best")).to_have_text("백록담")
    expect(page.locator("#passages mark.best")).to_have_text("백록담")
    expect(page.locator("#answer blockquote")).to_have_attribute("lang", "ko")


def test_no_answer_is_shown_as_such_with_the_best_guess(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, f"unanswerable {QUESTION}")
    answer = page.get_by_role("region", name="No answer")
    expect(answer.get_by_text("Best guess")).to_be_visible()
    expect(answer.locator(".guess-words")).to_have_text("IBM")
    expect(page.locator("mark.best")).to_have_count(0)
    expect(answer.locator("mark.guess")).to_have_text("IBM")
    expect(page.get_by_text("holds the best guess")).to_be_visible()


def test_a_question_that_no_passage_fits(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_label("Retriever").select_option("bm25")
    ask(page, "zebra")
    expect(page.get_by_role("region", name="No passage matches this question")).to_be_visible()
    expect(page.locator("#passages")).to_be_hidden()


def test_a_long_passage_is_cut_around_its_answer_until_it_is_asked_for(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_label("Retriever").select_option("bm25")
    ask(page, "The long match in centuries and no other year")
    quote = page.locator("#answer blockquote")
    expect(quote.locator("mark.best")).to_have_text("in 1997")
    assert len(quote.inner_text()) < 1_000
    page.get_by_role("button", name="Whole passage").click()
    expect(quote.locator("mark.best")).to_have_text("in 1997")
    assert len(quote.inner_text()) > 4_000


def test_markup_in_passages_titles_ids_and_questions_is_text(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, HOSTILE)
    expect(page.locator("#answer figcaption")).to_have_text(f"Title {HACK}")
    expect(page.locator("#answer .words")).to_have_text(f"onerror{HACK}")
    first = page.locator(".hit").first
    first.get_by_role("button").click()
    expect(first.locator("dd").first).to_have_text(f"id{HACK}")
    expect(first.locator(".text")).to_contain_text(f"hostile text {HACK} says")
    page.get_by_role("radio", name="Side by side").click()
    expect(page.locator(".entry .title").first).to_have_text(f"Title {HACK}")
    expect(page.locator("#recent-list .question")).to_have_text(HOSTILE)
    page.reload()
    expect(page.locator("#recent-list .question")).to_have_text(HOSTILE)
    expect(page.locator(".columns")).to_be_visible()
    assert page.locator("img, script").count() == 3, "the icon and the two scripts of the page"
    assert page.evaluate("window.hacked") is None


def test_an_error_that_quotes_markup_is_text(open_page: OpenPage) -> None:
    page = open_page(expected=("422",))
    page.route("**/v1/query", lambda route: route.fulfill(status=422, json=refusal(f"no {HACK}", "invalid_request")))
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text(f"no {HACK}")
    assert page.evaluate("window.hacked") is None


def test_passages_come_before_the_answer_and_stay_open(open_page: OpenPage, index: Path) -> None:
    held = threading.Event()
    held.set()
    with live(lambda: qa_of(index, SpanReader(lambda: held.wait(LONGEST_WAIT_S)))) as address:
        page = open_page(address)
        expect(page.locator("#facts")).to_contain_text("13 passages")
        held.clear()
        page.get_by_role("textbox").fill(QUESTION)
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="Answer").get_by_text("Reading the passages")).to_be_visible()
        expect(page.locator(".hit")).to_have_count(10)
        second = page.locator(".hit .opener").nth(1)
        second.click()
        held.set()
        expect(page.locator("#answer .words")).to_have_text("IBM")
        expect(second).to_have_attribute("aria-expanded", "true")
        expect(second).to_be_focused()


def test_a_stream_that_breaks_off_is_a_server_that_is_gone(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#facts")).not_to_be_empty()
    page.route("**/v1/query", lambda route: route.fulfill(content_type="text/event-stream", body=": keep-alive\n\n"))
    ask(page)
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("The server cannot be reached")


def test_an_error_after_the_passages_is_told(open_page: OpenPage, address: str) -> None:
    page = open_page()
    expect(page.locator("#facts")).not_to_be_empty()
    passages = post(address, "v1/retrieve", {"question": QUESTION})
    error = refusal("the generator was late; ask again", "generator_timeout")
    events = "".join(
        f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in (("passages", passages), ("error", error))
    )
    page.route("**/v1/query", lambda route: route.fulfill(content_type="text/event-stream", body=events))
    ask(page)
    expect(page.get_by_role("alert")).to_contain_text("the generator was late")
    expect(page.locator("#passages")).to_be_hidden()


def test_a_generators_text_comes_as_it_is_written_and_cites(open_page: OpenPage, address: str) -> None:
    page = open_page()
    expect(page.locator("#facts")).not_to_be_empty()
    passages = post(address, "v1/retrieve", {"question": QUESTION})
    [answer] = post(address, "v1/query", {"question": QUESTION})["results"]
    answer |= {"text": f"IBM built it [2]. {HACK}", "cited": [answer["hits"][1]["passage"]["id"]], "probability": None}
    told = {key: value for key, value in answer.items() if key not in ("hits", "weighing")}
    done = {"generation": "000001", "timings": {"retrieve_ms": 1, "read_ms": 2, "total_ms": 3}}
    sequence = (("passages", passages), ("text", {"text": "IBM "}), ("answer", {"index": 0, **told}), ("done", done))
    events = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in sequence)
    page.route("**/v1/query", lambda route: route.fulfill(content_type="text/event-stream", body=events))
    ask(page)
    expect(page.locator("#answer .words")).to_have_text(f"IBM built it [2]. {HACK}")
    page.get_by_role("button", name="[2]").click()
    expect(page.locator("#hit-2 .opener")).to_be_focused()
    assert page.evaluate("window.hacked") is None
