"""The report of a benchmark in Chromium: offline, on a desktop and a phone, light and dark, in two languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dpr.benchmark.html_report import write_html
from tests.browser.conftest import DESKTOP, PHONE, profile
from tests.dpr.benchmark.reports import made_report

pytestmark = pytest.mark.browser

HEIGHT_BY_ROWS = 'Dropping "fit-y" because spec has discrete height'
"""What Vega-Lite says of a chart that is as wide as the page and as high as its rows."""

CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll(".chart svg text")]
    .filter((node) => node.textContent.trim() && getComputedStyle(node).opacity !== "0")
    .filter((node) => node.getBoundingClientRect().width)
    .map((node) => [node.textContent, node.getBoundingClientRect(), node.closest(".chart")]);
  const meet = ([, a, first], [, b, second]) =>
    first === second && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const after = (i) => boxes.slice(i + 1).filter((other) => meet(boxes[i], other));
  return boxes.flatMap((box, i) => after(i).map((other) => [box[0], other[0]]));
}"""

SHORTENED = """() => [...document.querySelectorAll(".chart svg text")]
  .map((node) => node.textContent).filter((text) => text.endsWith("…"))"""

ENGLISH_TEXTS = """() => {
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const { textContent, parentElement } = texts.currentNode;
    if (parentElement.closest("code, dd, #questions") || !parentElement.checkVisibility()) continue;
    if (/[A-Za-z]{2,}( [a-z]{2,}){2}/.test(textContent) && !/[가-힣]/.test(textContent)) found.push(textContent);
  }
  return found;
}"""
"""Texts of three English words and no Hangul, but for data: questions, passages, the command, versions."""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_html(path, made_report())
    return path


@pytest.fixture
def open_report(browser: Browser, page_file: Path) -> Iterator[Any]:
    contexts, complaints = [], []

    def note_message(text: str) -> None:
        if HEIGHT_BY_ROWS not in text:
            complaints.append(text)

    def note_request(url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            complaints.append(url)

    def open_at(**options: Any) -> Page:
        context = profile(browser, **{"offline": True, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note_message(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: note_request(request.url))
        page.goto(page_file.as_uri())
        page.wait_for_function("document.documentElement.dataset.drawn === document.documentElement.lang")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not complaints


def rows(page: Page, table: str) -> int:
    return page.locator(f"{table} tbody tr").locator("visible=true").count()


def test_the_first_screen_answers_with_an_interval_and_a_p_value(open_report: Any) -> None:
    for viewport in (DESKTOP, PHONE):
        page = open_report(viewport=viewport)
        answer = page.locator(".answer")
        expect(answer).to_contain_text(re.compile(r"Use \S+\..*95 % interval.*p [=<≥] ?\d", re.DOTALL))
        box = answer.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= viewport["height"]


def test_no_data_is_run_as_code(open_report: Any) -> None:
    page = open_report()
    for item in page.locator("#questions details").all():
        item.locator("summary").click()
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
def test_nothing_is_cut_or_covered(open_report: Any, scheme: str, locale: str) -> None:
    for viewport in (DESKTOP, PHONE):
        page = open_report(viewport=viewport, color_scheme=scheme, locale=locale)
        page.locator("#questions summary").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert page.evaluate(OVERLAPS) == []
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(SHORTENED) == []
        for label in page.locator(".pick").all():
            box = label.bounding_box()
            assert box is not None
            assert box["height"] < 80


def test_every_chart_is_drawn(open_report: Any) -> None:
    page = open_report()
    for chart in ("summary", "pairs", "curve", "cost", "groups", "causes"):
        assert page.locator(f"#{chart}-chart svg .mark-symbol path, #{chart}-chart svg .mark-rect path").count() > 0


def test_choosing_systems_changes_tables_charts_and_questions(open_report: Any) -> None:
    page = open_report()
    assert (rows(page, "#systems"), rows(page, "#pairs")) == (4, 6)
    page.get_by_role("checkbox", name="dense").uncheck()
    assert (rows(page, "#systems"), rows(page, "#pairs")) == (3, 3)
    expect(page.locator("#summary-chart svg")).not_to_contain_text("dense")
    expect(page.locator("#questions summary").first).not_to_contain_text("dense")


def test_another_measure_changes_the_pairs(open_report: Any) -> None:
    page = open_report()
    before = page.locator("#pairs tbody").inner_text()
    page.locator("#metric").select_option("recall@1")
    assert page.locator("#pairs tbody").inner_text() != before


def test_questions_are_filtered_and_explained(open_report: Any) -> None:
    page = open_report()
    count = page.locator("#page").inner_text()
    page.get_by_label("missed by").select_option("bm25")
    assert page.locator("#page").inner_text() != count
    for line in page.locator("#questions .ranks span", has_text="bm25:").all():
        expect(line).to_contain_text("—")
    first = page.locator("#questions details").first
    first.locator("summary").click()
    expect(first.locator("blockquote.gold")).to_be_visible()
    expect(first.locator(".term").first).to_have_text("clock 1.25")
    expect(first.locator(".term.lacks").first).to_have_text("who")
    page.get_by_label("words in the question").fill("no such words")
    expect(page.locator("#questions")).to_have_text("No question fits these filters.")


def test_the_whole_page_speaks_korean(open_report: Any) -> None:
    page = open_report(locale="ko-KR")
    assert page.evaluate(ENGLISH_TEXTS) == []
    expect(page.locator("h1")).to_have_text("어떤 검색 방식을 써야 할까?", use_inner_text=True)
    expect(page.locator("#causes-chart svg")).to_contain_text("놓친 질문 수")
    page.get_by_role("button", name="English").click()
    assert page.evaluate(ENGLISH_TEXTS) != []
    expect(page.locator("h1")).to_have_text("Which retriever should I use?", use_inner_text=True)
    expect(page.locator("#causes-chart svg")).to_contain_text("questions missed")


def test_a_hover_tells_the_interval(open_report: Any) -> None:
    page = open_report()
    page.locator("#summary-chart svg .mark-symbol path").first.hover()
    expect(page.locator("#vg-tooltip-element")).to_contain_text("95 % interval")


def test_it_prints_as_dark_ink_on_light_paper(open_report: Any) -> None:
    page = open_report(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 29, 31)"
    expect(page.locator("#filters")).to_be_hidden()
