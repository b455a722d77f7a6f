"""What surrounds a question in Chromium: keys, languages, themes, recent questions, access, the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.asking import QUESTION, ask
from tests.browser.conftest import PHONE, OpenPage

pytestmark = pytest.mark.browser
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


def test_the_keys(open_page: OpenPage) -> None:
    page = open_page()
    ask(page)
    openers = page.locator(".hit .opener")
    page.keyboard.press("ArrowDown")
    expect(openers.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(openers.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(openers.nth(1)).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("textbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("/")
    expect(page.get_by_role("textbox")).to_be_focused()
    expect(page.get_by_role("textbox")).to_have_value(QUESTION)
    page.keyboard.press("End")
    page.keyboard.press("/")
    expect(page.get_by_role("textbox")).to_have_value(f"{QUESTION}/")


def test_enter_ends_a_syllable_before_it_sends(open_page: OpenPage) -> None:
    page = open_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.get_by_role("textbox").fill("한라산")
    key = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true})"
    assert page.evaluate(f"document.activeElement.dispatchEvent({key})"), "the browser handles the key"
    assert not any("query" in url for url in requests)


def test_the_interface_is_in_the_browsers_language_until_another_is_chosen(open_page: OpenPage) -> None:
    page = open_page(locale="ko-KR")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.get_by_role("heading", level=1)).to_have_text("문서에 물어보세요")
    ask(page)
    expect(page.get_by_role("region", name="답").locator(".words")).to_have_text("IBM")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("region", name="Answer").locator(".words")).to_have_text("IBM")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ask the documents")


def test_recent_questions_are_remembered_asked_again_and_cleared(open_page: OpenPage) -> None:
    page = open_page()
    for question in ("first computer", "second computer", "first computer"):
        ask(page, question)
    recent = page.locator("#recent-list .question")
    expect(recent).to_have_text(["first computer", "second computer"])
    page.reload()
    expect(recent).to_have_text(["first computer", "second computer"])
    recent.nth(1).click()
    expect(page.get_by_role("textbox")).to_have_value("second computer")
    expect(recent).to_have_text(["second computer", "first computer"])
    page.get_by_role("button", name="Remove: second computer").click()
    expect(recent).to_have_text(["first computer"])
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#recent")).to_be_hidden()
    assert page.evaluate("localStorage.getItem('dpr.recent')") is None


def test_a_question_stands_in_the_address_and_goes_to_no_server_with_it(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}#q=Deep+Blue+%3F")
    expect(page.locator("#answer .words")).to_have_text("IBM")
    ask(page, "한라산 정상에")
    expect(page.locator("#answer .words")).to_have_text("백록담")
    page.go_back()
    expect(page.locator("#answer .words")).to_have_text("IBM")


def test_the_theme_follows_the_system_or_the_choice(open_page: OpenPage) -> None:
    page = open_page(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_label("Theme").select_option("light")
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    expect(page.get_by_label("Theme")).to_have_value("light")
    assert page.evaluate(background) == light
    page.get_by_label("Theme").select_option("system")
    assert page.evaluate(background) == dark


def test_the_documentation_works_without_any_other_server(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}docs")
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.reload()
    operation = page.locator(".opblock-summary", has_text="/v1/query")
    expect(operation).to_be_visible()
    operation.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status")).to_have_text(re.compile("^200"))
    assert urls
    assert all(url.startswith((address, "data:")) for url in urls)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("question", [QUESTION, f"unanswerable {QUESTION}", "long " * 300])
def test_every_text_has_contrast(open_page: OpenPage, scheme: str, question: str) -> None:
    page = open_page(color_scheme=scheme, expected=("422",))
    ask(page, question)
    if page.locator("#passages").is_visible():
        page.locator(".hit .opener").first.click()
        expect(page.locator(".why table")).to_be_visible()
        assert page.evaluate(CONTRAST) == []
        page.get_by_role("radio", name="Side by side").click()
        page.locator(".entry").first.hover()
        page.evaluate("Promise.allSettled(document.getAnimations().map((fading) => fading.finished))")
    low = page.evaluate(CONTRAST)
    assert low == []


def test_nothing_is_wider_than_a_phone(open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE, is_mobile=True, has_touch=True)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == PHONE["width"]
    ask(page)
    assert page.evaluate(width) == PHONE["width"]
    page.get_by_role("radio", name="Side by side").click()
    expect(page.locator(".column")).to_have_count(3)
    assert page.evaluate(width) == PHONE["width"]


def test_a_screen_reader_finds_landmarks_names_and_an_order(open_page: OpenPage, address: str) -> None:
    page = open_page()
    ask(page)
    for role in ("banner", "navigation", "main", "search", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for control in page.locator("button, a, input, select, textarea").locator("visible=true").all():
        expect(control).to_have_accessible_name(re.compile("."))
    page.get_by_role("link", name="Skip to the question").focus()
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("(({id, name, href, tagName}) => id || name || href || tagName)(document.activeElement)")
        )
    assert order == [address, f"{address}docs", "theme", "language", "question", "submit", "retriever", "k", "SUMMARY"]
