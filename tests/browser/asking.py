"""Asking on the page and beside it, for the browser tests."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Page, expect
from playwright.sync_api import Request as PageRequest

QUESTION = "Which company built the computer Deep Blue ?"


def ask(page: Page, question: str = QUESTION) -> None:
    """Ask, once the page knows what the server serves, and wait until it has shown the answer or the problem."""
    expect(page.locator("#facts")).not_to_be_empty()
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")


def post(address: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return sent(Request(f"{address}{path}", json.dumps(body).encode(), {"content-type": "application/json"}))  # noqa: S310


def get(address: str, path: str) -> dict[str, Any]:
    return sent(Request(f"{address}{path}"))  # noqa: S310


def sent(request: Request) -> dict[str, Any]:
    with urlopen(request) as response:  # noqa: S310  # our own server
        answer: dict[str, Any] = json.load(response)
    return answer


def body_of(request: PageRequest) -> dict[str, Any]:
    body = request.post_data_json
    assert isinstance(body, dict)
    return body


def refusal(message: str, code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": None}}
