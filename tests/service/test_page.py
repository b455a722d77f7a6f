"""The page as files: what is served, with which headers, and what the files may not hold. No browser is needed."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.routes.page import FOLDER, page_files
from service.security.headers import SECURITY_HEADERS
from tests.service.fakes import FakeReader, fake_qa, serving

ROOT = Path(__file__).resolve().parents[2]
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = sorted(path for path in FOLDER.iterdir() if path.is_file())
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in OURS if path.suffix == ".js"}
MARKUP = (FOLDER / "index.html").read_text(encoding="utf-8")
STRING = re.compile(r'^    (\w+): "((?:[^"\\]|\\.)*)",$', re.MULTILINE)


def strings() -> dict[str, dict[str, str]]:
    """Return the strings of the interface by language and name."""
    _, english, korean = re.split(r"^  (?:en|ko): \{$", SCRIPTS["strings.js"], flags=re.MULTILINE)
    return {"en": dict(STRING.findall(english)), "ko": dict(STRING.findall(korean))}


def test_a_browser_gets_the_page_and_a_program_the_pointer(client: TestClient) -> None:
    page = client.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<main" in page.text
    pointer = client.get("/")
    assert pointer.json()["openapi"] == "/openapi.json"
    assert page.headers["vary"] == pointer.headers["vary"] == "Accept"


def test_without_the_page_a_browser_gets_the_pointer_too() -> None:
    with serving(lambda: fake_qa(FakeReader()), no_page=True) as client:
        assert client.get("/", headers=BROWSER).json()["documentation"] == "/docs"
        assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("name", page_files())
def test_every_file_is_served_with_its_type_and_the_headers(client: TestClient, name: str) -> None:
    response = client.get(f"/page/{name}")
    assert response.content == (FOLDER / name).read_bytes()
    types = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    assert response.headers["content-type"].split(";")[0] == types.get(Path(name).suffix, "text/plain")
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-cache"}
    assert {key: response.headers[key] for key in headers} == headers
    assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'


def test_the_policy_allows_this_server_alone_and_nothing_inline(client: TestClient) -> None:
    for path in ("/", "/docs", "/page/main.js"):
        policy = client.get(path, headers=BROWSER).headers["content-security-policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["default-src"] == "'self'"
        assert "unsafe" not in policy
        assert "http" not in policy
        assert (rules["base-uri"], rules["object-src"], rules["frame-ancestors"]) == ("'none'",) * 3
        assert (rules.get("require-trusted-types-for") == "'script'") is (path != "/docs")


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"other", {etag}'])
def test_a_browser_that_has_a_file_gets_304(client: TestClient, known: str) -> None:
    etag = client.get("/page/page.css").headers["etag"]
    response = client.get("/page/page.css", headers={"If-None-Match": known.format(etag=etag)})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == etag
    assert client.get("/page/page.css", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["", "nothing.js", "../routes/page.py", "%2e%2e/app.py", "swagger-ui", "..%2fapp.py"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    response = client.get(f"/page/{name}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


def test_head_tells_what_get_would(client: TestClient) -> None:
    for path in ("/", "/docs", "/page/page.css"):
        head, get = client.head(path, headers=BROWSER), client.get(path, headers=BROWSER)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_file_of_ours_loads_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]+\.[a-z]|url\(", text.replace("https://", "http://"))
    assert not re.search(r'(?:src|href)="/', text), "an absolute path breaks below a prefix"


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_the_markup_has_nothing_inline(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_out_of_text(name: str) -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
    assert not re.search(rf"{markup}|\beval\b|Function\(", SCRIPTS[name])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_file_is_one_idea(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 320
    assert max(map(len, lines)) <= 160


def test_every_file_that_is_named_exists() -> None:
    loaded = set(
        re.findall(r'(?:src|href)="page/([^"]+)"', MARKUP + (FOLDER / "docs.html").read_text(encoding="utf-8"))
    )
    imported = {name for script in SCRIPTS.values() for name in re.findall(r'from "\./([^"]+)"', script)}
    shown = {"index.html", "docs.html"}
    legal = {"LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt", "README.txt"}
    assert loaded | imported | shown | {f"swagger-ui/{name}" for name in legal} == set(page_files())


def test_both_languages_have_every_string() -> None:
    english, korean = strings()["en"], strings()["ko"]
    assert len(english) > 60
    assert list(english) == list(korean)
    for name, string in english.items():
        assert string.strip()
        assert korean[name].strip()
        assert set(re.findall(r"\{(\w+)\}", string)) == set(re.findall(r"\{(\w+)\}", korean[name])), name
    written = SCRIPTS["strings.js"].count('",\n')
    assert written == len(english) + len(korean), "every string is read by this test"


def test_every_string_is_used_and_every_used_string_is_there() -> None:
    names = set(strings()["en"])
    others = "".join(script for name, script in SCRIPTS.items() if name != "strings.js")
    used = set(re.findall(r'data-(?:text|label|placeholder)="(\w+)"', MARKUP))
    used |= set(re.findall(r'\btext\(\s*"(\w+)"', others))
    assert used <= names
    quoted = set(re.findall(r'"(\w+)"', others))
    families = ("column_", "job_", "retriever_", "time_", "view_")  # their names are put together
    unused = {name for name in names - used - quoted if not name.startswith(families)}
    assert not unused


def test_every_field_of_the_markup_has_a_name() -> None:
    labelled = set(re.findall(r'<label[^>]*\bfor="([^"]+)"', MARKUP))
    for tag in re.findall(r"<(?:select|input|textarea)[^>]*>", MARKUP):
        [name] = re.findall(r'\bid="([^"]+)"', tag)
        inside = re.search(rf'<label(?:(?!</label>).)*id="{name}"', MARKUP, re.DOTALL)
        assert name in labelled or "data-label" in tag or inside, name


def test_swagger_ui_is_the_one_that_is_noted() -> None:
    note = (FOLDER / "swagger-ui" / "README.txt").read_text(encoding="utf-8")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"{hashlib.sha256((FOLDER / 'swagger-ui' / name).read_bytes()).hexdigest()}  {name}" in note


def test_the_package_data_take_the_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert "page/**/*" in project["package-data"]["service"]
    assert "service.page*" in project["packages"]["find"]["exclude"]
