"""The page in Chromium, on a server with a small real index: what people see, and what they can do."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import Request as PageRequest

from service.security.keys import changing, new_key
from tests.browser.conftest import PHONE, OpenPage
from tests.browser.served import HACK, SpanReader, built_index, live, qa_of
from tests.fakes import HashEncoder, WordAnalyzer

pytestmark = pytest.mark.browser

QUESTION = "Which company built the computer Deep Blue ?"
HOSTILE = f"hostile text {HACK}"


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_role("textbox").fill(question)
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


def body_of(request: PageRequest) -> dict[str, Any]:
    body = request.post_data_json
    assert isinstance(body, dict)
    return body


def refusal(message: str, code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": None}}


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
    page.route("**/v1/indexes", lambda route: route.fulfill(json={"indexes": [{"name": "default"}, {"name": HACK}]}))
    page.reload()
    page.get_by_label("Index").select_option(HACK)
    with page.expect_request("**/v1/query") as request:
        ask(page)
    assert body_of(request.value)["index"] == HACK


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
        held.wait(30)

    reader = SpanReader(wait)
    held.set()
    with live(lambda: qa_of(index, reader), max_in_flight=1, retry_after_s=3) as address:
        page = open_page(address, expected=("503",))
        expect(page.locator("#facts")).to_contain_text("13 passages")
        held.clear()
        reading.clear()
        other = threading.Thread(target=post, args=(address, "v1/query", {"question": "hold"}))
        other.start()
        assert reading.wait(30)
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
    with live(lambda: qa_of(index, SpanReader(lambda: held.wait(30)))) as address:
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


def test_passages_come_before_the_answer_and_stay_open(open_page: OpenPage, index: Path) -> None:
    held = threading.Event()
    held.set()
    with live(lambda: qa_of(index, SpanReader(lambda: held.wait(30)))) as address:
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


def test_a_server_that_loads_is_waited_for(open_page: OpenPage, index: Path) -> None:
    loaded = threading.Event()

    def load() -> Any:
        assert loaded.wait(30)
        return qa_of(index, SpanReader())

    with live(load, ready=False) as address:
        page = open_page(address, expected=("503",))
        expect(page.get_by_role("status")).to_contain_text("loading the index")
        loaded.set()
        expect(page.locator("#facts")).to_contain_text("13 passages")
        expect(page.get_by_role("status")).to_have_text("")


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


@pytest.fixture
def writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    root = built_index(tmp_path / "index")
    allowed: dict[str, Any] = {"allow_writes": True, "reload_interval_s": 0.0, "max_body_bytes": 2_000}
    with live(None, index=root, no_reader=True, **allowed) as address:
        yield address


def test_uploaded_documents_are_followed_until_they_are_found(
    open_page: OpenPage, writable: str, tmp_path: Path
) -> None:
    rows = [{"id": f"row {n}", "title": HACK, "text": f"zebra number {n} " + "of the savanna " * 40} for n in range(5)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(f"{lines}no JSON\n")
    (tmp_path / "note.txt").write_text("A quagga was a kind of zebra")
    page = open_page(writable)
    section = page.get_by_role("region", name="Add documents")
    section.get_by_label("Choose files").set_input_files([tmp_path / "rows.jsonl"])
    uploads = section.locator(".upload")
    expect(uploads.first).to_contain_text("Indexed 1 documents, in index generation", timeout=30_000)
    expect(uploads.first).to_contain_text("(part 3 of 3)")
    expect(uploads.first).to_contain_text("line 6 refused")
    expect(page.locator("#facts")).to_contain_text("18 passages")
    section.get_by_label("Choose files").set_input_files([tmp_path / "note.txt"])
    expect(uploads.first).to_contain_text("Indexed 1 documents, in index generation", timeout=30_000)
    ask(page, "quagga zebra")
    expect(page.locator(".hit .title").first).to_have_text("note")
    assert page.evaluate("window.hacked") is None


def test_a_file_that_cannot_be_sent_says_why(open_page: OpenPage, writable: str, tmp_path: Path) -> None:
    (tmp_path / "korean.txt").write_bytes("한라산".encode("cp949"))
    (tmp_path / "long.txt").write_text("long " * 1_000)
    page = open_page(writable)
    section = page.get_by_role("region", name="Add documents")
    section.get_by_label("Choose files").set_input_files([tmp_path / "korean.txt", tmp_path / "long.txt"])
    expect(section.get_by_text("the file is not UTF-8")).to_be_visible()
    expect(section.get_by_text("line 1 is larger than a request may be")).to_be_visible()


def test_documents_are_not_offered_where_none_are_taken(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#facts")).not_to_be_empty()
    expect(page.locator("#documents")).to_be_hidden()


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
        page.get_by_role("radio", name="Side by side").click()
        page.locator(".entry").first.hover()
        page.wait_for_timeout(300)  # the background fades in
    low = page.evaluate(CONTRAST)
    assert low == []


CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


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
