"""``make docs``: every page of the repository as one site, built without a network.

The pages are copied as they lie in the repository, with the files that they link to. So a relative link means the same
on the site, in the repository and on a code host, and the generator checks all of them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from website.pages import ROOT, links, pages

SETTINGS = Path(__file__).with_name("zensical.toml")

Entry = dict[str, str | list[dict[str, str]]]
"""A page by its title, or a section by its heading."""


def navigation(root: Path = ROOT) -> list[Entry]:
    """Return the navigation: a section for each heading of ``docs/index.md``, an entry for each item."""
    index = root / "docs" / "index.md"
    entries: list[Entry] = [
        {"Start": "README.md"},
        {"한국어": "README.ko.md"},
        {"Contents": "docs/index.md"},
    ]
    for section in index.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        items = re.findall(r"^- \[([^\]]+)\]\(([^)#]+)\)", body, re.MULTILINE)
        paths = [(title, (index.parent / target).resolve().relative_to(root)) for title, target in items]
        entries.append({heading: [{title: path.as_posix()} for title, path in paths]})
    return entries


def stage(folder: Path, root: Path = ROOT) -> None:
    """Copy the pages and the files that they link to into ``folder/pages``, and write the generator's settings."""
    linked = {link.path for page in pages(root) for link in links(page)}
    for path in {*pages(root), *(path for path in linked if path.is_file())}:
        copy = folder / "pages" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    settings = SETTINGS.read_text(encoding="utf-8")
    entries = ", ".join(_toml(entry) for entry in navigation(root))
    (folder / "zensical.toml").write_text(settings.replace("nav = []", f"nav = [{entries}]"), encoding="utf-8")


def build(folder: Path, root: Path = ROOT) -> Path:
    """Build the site of a repository in an empty folder; return where it lies.

    Raises:
        subprocess.CalledProcessError: a link or an anchor leads nowhere, which the generator has printed.
    """
    stage(folder, root)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "zensical.toml"]
    subprocess.run(command, check=True, cwd=folder)
    return folder / "site"


def _toml(value: object) -> str:
    """Return an entry of the navigation as TOML; JSON's strings are TOML's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(content)}" for key, content in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Build ``site/``."""
    folder, site = ROOT / "build" / "website", ROOT / "site"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        built = build(folder)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(built, site)
    print("the site is in site/; to read it: python -m http.server --directory site --bind 127.0.0.1")


if __name__ == "__main__":
    main()
