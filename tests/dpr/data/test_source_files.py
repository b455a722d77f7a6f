"""Which files a folder or a pattern stands for, and what each is called."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dpr.data.intake import DocumentTally, ReadRules
from dpr.data.passages import files_of, read_corpus
from dpr.data.source_files import source_files
from dpr.errors import DataError
from dpr.metadata import Metadata


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "handbook"
    for name in ("b.md", "a.txt", "sub/c.txt", "sub/deep/d.md.zst", ".hidden.md", "sub/~$e.docx", ".git/f.md", "g.png"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}", encoding="utf-8")
    (root / "sub" / "rows.csv").write_text("id,text\n1,row\n", encoding="utf-8")
    return root


def names(path: Path, **rules: tuple[str, ...]) -> list[str]:
    return [file.name for file in source_files(path, ReadRules(**rules))]  # type: ignore[arg-type]


def test_a_folder_is_walked_in_order_without_what_is_hidden(folder: Path) -> None:
    others: Counter[str] = Counter()
    files = source_files(folder, other_files=others)
    assert [file.name for file in files] == [
        "handbook/a.txt",
        "handbook/b.md",
        "handbook/sub/c.txt",
        "handbook/sub/rows.csv",
        "handbook/sub/deep/d.md.zst",
    ]
    assert [file.document_ending for file in files] == [".txt", ".md", ".txt", "", ".md"]
    assert others == {".png": 1}


def test_patterns_include_and_exclude(folder: Path) -> None:
    assert names(folder, include=("*.txt",)) == ["handbook/a.txt", "handbook/sub/c.txt"]
    assert names(folder, include=("*.txt",), exclude=("sub",)) == ["handbook/a.txt"]
    assert names(folder, exclude=("sub/*",)) == ["handbook/a.txt", "handbook/b.md"]
    with pytest.raises(DataError, match=r"no .* that --include and --exclude leave"):
        names(folder, include=("*.pdf",))


def test_a_pattern_is_a_source(folder: Path) -> None:
    assert names(folder / "**" / "*.txt") == ["handbook/a.txt", "handbook/sub/c.txt"]
    assert names(folder / "*.md") == ["handbook/b.md"]
    with pytest.raises(DataError, match="the pattern matches no"):
        names(folder / "*.pdf")


def test_a_folder_without_documents_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"the folder has no .*; it has 1 of \.png"):
        files_of(str(tmp_path))


def test_rows_and_documents_of_a_folder_are_one_corpus(folder: Path) -> None:
    rules = ReadRules(exclude=("*.zst",))
    tally = DocumentTally.from_rules(rules)
    passages = list(read_corpus([str(folder)], rules, documents=tally))
    assert [passage.id for passage in passages] == ["handbook/a.txt", "handbook/b.md", "handbook/sub/c.txt", "1"]
    sources: list[Metadata] = [passage.metadata for passage in passages]
    assert sources[0] == {"source": "handbook/a.txt"}
    assert passages[0].title == "a"
    assert (tally.converted, tally.seen, tally.total) == (3, 3, 3)


def test_bad_documents_are_skipped_or_refused(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    tally = DocumentTally.from_rules(ReadRules())
    assert len(list(read_corpus([str(folder)], documents=tally))) == 4  # d.md.zst is no zstd
    assert tally.bad.count == 1
    assert "skipped 1 bad document" in caplog.text
    assert "d.md.zst: " in caplog.text
    with pytest.raises(DataError, match=r"d\.md\.zst: .*; correct the document, or leave --strict out to skip it"):
        list(read_corpus([str(folder)], ReadRules(strict=True)))


def test_a_single_bad_document_is_an_empty_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"the corpus is empty.*; all of its 1 documents are bad:\n .*is empty"):
        list(read_corpus([str(tmp_path / "a.txt")]))
