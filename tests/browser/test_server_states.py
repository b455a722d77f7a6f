"""A server that loads, is busy, refuses, is gone, has no reader, or asks for a key; in Chromium."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from service.security.keys import changing, new_key
from tests.browser.asking import QUESTION, ask, post
from tests.browser.conftest import OpenPage
from tests.browser.served import LONGEST_WAIT_S, SpanReader, live, qa_of

pytestmark = pytest.mark.browser


def test_a_question_that_is_too_long_is_refused_in_words(open_page: OpenPage) -> None:
    page = open_page(expected=("422",))
    ask(page)
    ask(page, "long " * 300)
    problem = page.get_by_role("alert")
    expect(problem.get_by_role("heading")).to_have_text("The question is too long")
    expect(problem).to_contain_text("over the limit of 1,000")
    expect(problem.get_by_role("button")).to_have_count(0)
    expect(page.locator("#answer")).to_be_hidden()


def test_a_busy_server_is_asked_again(open_page: OpenPage, index: Path) -> None:
    held, reading = threading.Event(), threading.Event()

    def wait() -> None:
        reading.set()
        held.wait(LONGEST_WAIT_S)

    reader = SpanReader(wait)
    held.set()
    with live(lambda: qa_of(index, reader), max_in_flight=1, retry_after_s=3) as address:
        page = open_page(address, expected=("503",))
        expect(page.locator("#facts")).to_contain_text("13 passages")
        held.clear()
        reading.clear()
        other = threading.Thread(target=post, args=(address, "v1/query", {"question": "hold"}))
        other.start()
        assert reading.wait(LONGEST_WAIT_S)
        ask(page)
        problem = page.get_by_role("alert")
        expect(problem.get_by_role("heading")).to_have_text("The server is busy")
        expect(problem).to_contain_text("3 s")
        held.set()
        other.join()
        problem.get_by_role("button", name="Ask again").click()
        expect(page.locator("#answer .words")).to_have_text("IBM")
        expect(page.locator("#problem")).to_be_hidden()


def test_a_running_question_can_be_stopped(open_page: OpenPage, index: Path) -> None:
    held = threading.Event()
    held.set()
    with live(lambda: qa_of(index, SpanReader(lambda: held.wait(LONGEST_WAIT_S)))) as address:
        page = open_page(address)
        expect(page.locator("#facts")).to_contain_text("13 passages")
        held.clear()
        page.get_by_role("textbox").fill(QUESTION)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("status")).to_have_text("Stopped.")
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
        held.set()


def test_a_server_that_loads_is_waited_for(open_page: OpenPage, index: Path) -> None:
    loaded = threading.Event()

    def load() -> Any:
        assert loaded.wait(LONGEST_WAIT_S)
        return qa_of(index, SpanReader())

    with live(load, ready=False) as address:
        page = open_page(address, expected=("503",))
        expect(page.get_by_role("status")).to_contain_text("loading the index")
        loaded.set()
        expect(page.locator("#facts")).to_contain_text("13 passages")
        expect(page.get_by_role("status")).to_have_text("")


def test_a_question_to_a_server_that_loads_is_asked_once_it_has_loaded(open_page: OpenPage, index: Path) -> None:
    loaded = threading.Event()

    def load() -> Any:
        assert loaded.wait(LONGEST_WAIT_S)
        return qa_of(index, SpanReader())

    with live(load, ready=False) as address:
        page = open_page(address, expected=("503",))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "v1/query" in request.url else None)
        expect(page.get_by_role("status")).to_contain_text("loading the index")
        page.get_by_role("textbox").fill(QUESTION)
        page.keyboard.press("Enter")
        loaded.set()
        expect(page.locator("#answer .words")).to_have_text("IBM")
        assert len(asked) == 1


def test_a_server_that_is_gone(open_page: OpenPage) -> None:
    page = open_page(expected=("ERR_FAILED",))
    expect(page.locator("#facts")).not_to_be_empty()
    page.route("**/v1/query", lambda route: route.abort())
    ask(page)
    expect(page.get_by_role("alert").get_by_role("heading")).to_have_text("The server cannot be reached")


def test_a_server_without_a_reader_shows_passages_alone(open_page: OpenPage, index: Path) -> None:
    with live(lambda: qa_of(index, None)) as address:
        page = open_page(address)
        ask(page)
        expect(page.get_by_text("it finds passages, not answers")).to_be_visible()
        expect(page.locator(".hit")).to_have_count(10)


def test_a_server_that_asks_for_a_key(open_page: OpenPage, index: Path, tmp_path: Path) -> None:
    with changing(tmp_path / "keys.json") as records:
        key, record = new_key("reader", "read", None)
        records.append(record)
    with live(lambda: qa_of(index, SpanReader()), keys_file=tmp_path / "keys.json") as address:
        page = open_page(address, expected=("401",))
        form = page.get_by_role("form", name="This server asks for a key")
        for value in ("dpr_0123456789abcdef_wrong", key):
            expect(form.get_by_label("API key")).to_be_focused()
            form.get_by_label("API key").fill(value)
            form.get_by_label("API key").press("Enter")
        expect(page.locator("#facts")).to_contain_text("13 passages")
        expect(page.locator("#key-form")).to_be_hidden()
        ask(page)
        expect(page.locator("#answer .words")).to_have_text("IBM")
        assert page.evaluate("[...Object.values(localStorage)].join()").find(key) == -1
        page.reload()
        expect(page.locator("#facts")).to_contain_text("13 passages")
