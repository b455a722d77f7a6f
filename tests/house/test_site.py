"""The pages of the documentation agree with the code and with each other, and become a searchable site."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import tomllib
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pytest

from dpr import __version__
from website.build import build, navigation
from website.diagrams import JOURNEYS, draw
from website.pages import ROOT, anchors, links, pages

DOCS = ROOT / "docs"
HANGUL = re.compile(r"[가-힣]")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    for link in links(page):
        assert link.path.exists(), f"links to {link.path.relative_to(ROOT)}, which does not exist"
        if link.anchor:
            assert link.anchor in anchors(link.path), f"links to #{link.anchor} of {link.path.name}, which has none"


def test_links_are_found_and_code_is_not_taken_for_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A [b](c.md) page\n\n## Twice\n\n## Twice\n\n## `code` 하나, *둘*\n\n"
        "See [x](x.md#y), [`z`](#twice), `[no](no.md)`\n"
        "and [far](https://a.org).\n\n    [no](no.md)\n\n```\n[no](no.md)\n# no\n```\n\n![picture](p.svg)\n",
        encoding="utf-8",
    )
    assert [(link.path.name, link.anchor) for link in links(page)] == [
        ("c.md", ""),
        ("x.md", "y"),
        ("page.md", "twice"),
        ("p.svg", ""),
    ]
    assert anchors(page) == {"a-b-page", "twice", "twice-1", "code-하나-둘"}


def test_the_index_lists_every_page_once() -> None:
    sections = [entry for section in navigation()[3:] for entries in section.values() for entry in entries]
    listed = [path for entry in sections if isinstance(entry, dict) for path in entry.values()]
    assert len(listed) == len(set(listed))
    expected = {f"docs/{path.name}" for path in DOCS.glob("*.md")} - {"docs/index.md"}
    assert expected <= {*listed}, f"docs/index.md lacks {sorted(expected - set(listed))}"


def test_the_list_of_decisions_is_complete() -> None:
    decisions = [path for path in sorted((DOCS / "decisions").glob("*.md")) if path.name != "index.md"]
    titles = [f"- [{read(path).splitlines()[0].removeprefix('# ')}]({path.name})" for path in decisions]
    listed = [line for line in read(DOCS / "decisions" / "index.md").splitlines() if line.startswith("- ")]
    assert listed == titles, "the list should be:\n" + "\n".join(titles)


def test_the_glossary_is_sorted_and_has_a_reason_for_each_word_of_ours() -> None:
    tables = read(DOCS / "glossary.md").split("| term |")[1:]
    assert len(tables) == 4
    for table in tables:
        rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
        terms = [term.strip().lower() for term, _, _ in rows]
        assert terms == sorted(set(terms))
        assert all(meaning.strip() for _, meaning, _ in rows)
    assert all(reason.strip() for _, _, reason in rows)


@pytest.mark.parametrize("name", JOURNEYS)
def test_the_pictures_are_as_drawn(name: str) -> None:
    assert read(DOCS / "images" / f"{name}.svg") == draw(JOURNEYS[name]), "run python -m website.diagrams"


def test_every_module_that_the_architecture_names_exists() -> None:
    drawn = [module for rows in JOURNEYS.values() for row in rows for stage in row.stages for module in stage.modules]
    written = re.findall(r"`((?:dpr|index_builder|service)(?:/\w+)+(?:\.py)?)`", read(DOCS / "architecture.md"))
    assert len(written) > 40
    absent = {name for name in [*drawn, *written] if not (ROOT / name).exists()}
    assert not absent


def test_the_architecture_names_every_package_of_dpr() -> None:
    page = read(DOCS / "architecture.md")
    packages = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "dpr").rglob("__init__.py")} - {"dpr"}
    absent = {name for name in packages if f"`{name}`" not in page and not name.startswith("dpr/bundled")}
    assert not absent


def test_the_layers_of_contributing_are_those_of_import_linter() -> None:
    settings = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    by_name = {contract["name"]: contract["layers"] for contract in settings if contract["type"] == "layers"}
    section = read(ROOT / "CONTRIBUTING.md").split("## The house", 1)[1].split("\n## ", 1)[0]
    drawn = [line.strip() for line in section.splitlines() if line.startswith("      ")]
    assert drawn == by_name["the rooms of dpr"]
    assert "  ─►  ".join(by_name["service over index_builder over dpr"]) in section
    for room in [*by_name["the rooms of training"][:2], *by_name["the rooms of reading"][:1]]:
        for name in room.split(" | "):
            assert re.search(rf"\b{name}\b", section), f"CONTRIBUTING.md does not name {name}"


def test_the_changelog_has_the_version_with_its_date_below_what_is_not_released() -> None:
    changelog = read(ROOT / "CHANGELOG.md")
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    releases = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]
    versions = [release[1] for release in releases if release]
    dates = [date.fromisoformat(release[2]) for release in releases if release]
    assert len(versions) == len(headings) - 1, f"not of the form [1.2.3] - 2000-01-31: {headings[1:]}"
    assert __version__ in versions
    assert dates == sorted(dates, reverse=True)
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def commands(text: str) -> list[str]:
    """Return the lines of a page's indented blocks of commands, without what a comment says of them."""
    lines = [line for line in text.splitlines() if re.match(r" {4}(make|\.venv/bin/|curl|docker) ?", line)]
    return [re.sub(r"\s+#.*|\s{2,}\(.*", "", line).strip() for line in lines]


def test_the_korean_readme_says_what_the_english_one_says() -> None:
    english, korean = read(ROOT / "README.md"), read(ROOT / "README.ko.md")
    assert commands(korean) == commands(english)
    assert len(commands(english)) > 8
    for sign in (r"^#+ ", r"^ {4}", r"^\|", r"^ {4}╭─"):
        counts = [len(re.findall(sign, text, re.MULTILINE)) for text in (english, korean)]
        assert counts[0] == counts[1], f"lines that match {sign}: {counts[0]} in English, {counts[1]} in Korean"
    figures = [sorted(re.findall(r"\d+\.\d+", text)) for text in (english, korean)]
    assert figures[0] == figures[1]
    each_other = [ROOT / "README.md", ROOT / "README.ko.md"]
    linked = [{link for link in links(page) if link.path not in each_other} for page in each_other]
    assert linked[0] == linked[1]
    assert len(HANGUL.findall(korean)) > 1000


needs_zensical = pytest.mark.skipif(
    importlib.util.find_spec("zensical") is None, reason="needs zensical, of the extra dev: make setup"
)


@needs_zensical
def test_the_site_is_built_and_needs_no_other_host(tmp_path: Path) -> None:
    site = build(tmp_path)
    for page in pages():
        path = page.relative_to(ROOT).as_posix()
        place = re.sub(r"(^|/)(README|index)\.md$", r"\1index.html", path).replace(".md", "/index.html")
        assert (site / place).is_file(), f"{path} is not on the site"
    for html in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|link)\b[^>]*?(?:src|href)=[\"']?(https?:[^\"'> ]+)", read(html))
        assert not loaded, f"{html.relative_to(site)} loads from another host"
    assert_found(site, "백록담", "README.ko/")
    assert_found(site, "encoder", "docs/architecture/")


@needs_zensical
@pytest.mark.parametrize(("target", "is_refused"), [("docs/index.md#둘째-제목", False), ("docs/index.md#셋째", True)])
def test_an_anchor_that_no_page_has_ends_the_build(tmp_path: Path, target: str, is_refused: bool) -> None:
    root, folder = tmp_path / "repository", tmp_path / "build"
    (root / "docs").mkdir(parents=True)
    folder.mkdir()
    (root / "README.md").write_text(f"# Start\n\n[there]({target})\n", encoding="utf-8")
    (root / "README.ko.md").write_text("# 시작\n", encoding="utf-8")
    (root / "docs" / "index.md").write_text("# Contents\n\n## 둘째 제목\n\n- [Start](../README.md)\n", encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError) if is_refused else nullcontext():
        assert (build(folder, root) / "index.html").is_file()


def assert_found(site: Path, word: str, page: str) -> None:
    """Check that a term of a page starts with the word, which is what the search in the browser looks for."""
    index = json.loads(read(site / "search.json"))
    separator = re.compile(index["config"]["separator"])
    texts = [item["text"] for item in index["items"] if item["location"].startswith(page)]
    terms = {term for text in texts for term in separator.split(re.sub(r"<[^>]*>", " ", text))}
    assert any(term.startswith(word) for term in terms), f"no term of {page} starts with {word}"
