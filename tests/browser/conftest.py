"""Chromium of the system, and pages that fail a test if the browser complains of anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.served import LONGEST_WAIT_S, SpanReader, built_index, live, qa_of

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "there is no Chromium; make test-browser installs Debian's, and CHROMIUM names another one"
    expect.set_options(timeout=1000 * LONGEST_WAIT_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())  # with a new profile
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_index(tmp_path_factory.mktemp("page") / "index")


@pytest.fixture(scope="session")
def address(index: Path) -> Iterator[str]:
    with live(lambda: qa_of(index, SpanReader())) as address:
        yield address


def profile(browser: Browser, **options: Any) -> BrowserContext:
    """Return a new profile, by default of an English desktop, in which a busy machine has time."""
    context = browser.new_context(**{"viewport": DESKTOP, "locale": "en-US", **options})
    context.set_default_timeout(1000 * LONGEST_WAIT_S)
    return context


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Open the page in a profile of its own. ``expected`` lists what the browser may complain of."""
    complaints: list[str] = []
    contexts = []

    def open_at(url: str = address, expected: tuple[str, ...] = (), **options: Any) -> Page:
        context = profile(browser, **options)
        contexts.append(context)
        page = context.new_page()

        def complain(text: str) -> None:
            if not any(words in text for words in expected):
                complaints.append(text)

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                complain(message.text)

        page.on("console", on_console)
        page.on("pageerror", lambda error: complain(str(error)))
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not complaints
