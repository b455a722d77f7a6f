"""Which files a folder or a pattern stands for, and what each is called."""

from __future__ import annotations

import errno
import gzip
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from dpr.data import documents
from dpr.data.digests import file_digest
from dpr.data.documents import Document
from dpr.data.intake import UTF8_RULES, DocumentTally, ReadRules
from dpr.data.passages import files_of, read_corpus
from dpr.data.source_files import SourceFile, source_files
from dpr.documents.document import Block, Converted
from dpr.documents.limits import DocumentLimits
from dpr.documents.pool import Request
from dpr.errors import DataError, DiskFullError, EmptyCorpusError
from dpr.metadata import Metadata
from index_builder.corpus import source_stamp


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


def test_names_and_patterns_of_either_unicode_form_are_one(tmp_path: Path) -> None:
    root = tmp_path / "handbook"
    root.mkdir()
    decomposed = unicodedata.normalize("NFD", "휴가 규정.txt")
    (root / decomposed).write_text("x", encoding="utf-8")
    for form in ("NFC", "NFD"):
        assert names(root, include=(unicodedata.normalize(form, "휴가*"),)) == ["handbook/휴가 규정.txt"]
        assert names(root / unicodedata.normalize(form, "*규정*")) == ["handbook/휴가 규정.txt"]
    with pytest.raises(DataError, match="the folder has no"):
        names(root, exclude=("휴가*",))


def test_a_name_that_is_not_utf_8_is_read_as_cp949_or_escaped(tmp_path: Path) -> None:
    root = tmp_path / "old"
    root.mkdir()
    for raw in ("한글 파일.txt".encode("cp949"), b"\x80\xff.txt"):
        (root / os.fsdecode(raw)).write_text(f"text of {raw!r}", encoding="utf-8")
    assert sorted(names(root)) == ["old/\\x80\\xff.txt", "old/한글 파일.txt"]
    assert {passage.document_id for passage in read_corpus([str(root)])} == set(names(root))


def test_a_pipe_and_a_broken_link_are_bad_documents_and_a_pipe_of_rows_is_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    os.mkfifo(folder / "pipe.csv")
    (folder / "sub" / "gone.txt").symlink_to(folder / "nowhere.txt")
    (folder / "sub" / "circle").symlink_to(folder)
    assert file_digest(folder / "pipe.txt") == ""
    rules = ReadRules(exclude=("*.zst",))
    tally = DocumentTally.from_rules(rules)
    assert len(list(read_corpus([str(folder)], rules, documents=tally))) == 4
    assert tally.other_files == {".png": 1, "pipes or devices": 1}
    assert [str(error) for error in tally.bad.first_errors] == [
        f"{folder}/pipe.txt: is a pipe, a device or a folder, and no file; save it as a file",
        f"{folder}/sub/gone.txt: cannot be opened: No such file or directory",
    ]
    assert [stamp[1:] for stamp in source_stamp(str(folder)) if stamp[0].endswith("gone.txt")] == [(0, 0)]
    with pytest.raises(EmptyCorpusError, match=r"pipe\.txt: is a pipe, a device or a folder, and no file"):
        list(read_corpus([str(folder / "pipe.txt")]))


def test_a_folder_that_cannot_be_read_is_refused_unless_it_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "deep":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"sub/deep: the folder cannot be read \(Permission denied\)"):
        names(folder)
    for pattern in ("deep", "sub/deep"):
        assert len(names(folder, exclude=(pattern,))) == 4


def test_two_files_of_one_name_are_one_document_if_they_are_equal(tmp_path: Path) -> None:
    for number, text in enumerate(("one", "one", "two")):
        (tmp_path / str(number) / "docs").mkdir(parents=True)
        (tmp_path / str(number) / "docs" / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "2" / "docs" / "b.txt").write_text("three", encoding="utf-8")
    folders = [str(tmp_path / str(number) / "docs") for number in range(3)]
    tally = DocumentTally.from_rules(UTF8_RULES)
    assert [passage.text for passage in read_corpus(folders, documents=tally)] == ["one", "three"]
    [error] = tally.bad.first_errors
    assert f"{folders[2]}/a.txt: would be docs/a.txt in the index, as {folders[0]}/a.txt is; rename it" in str(error)
    assert tally.failed == {}


def test_a_document_that_changes_while_it_is_converted_has_its_hash_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before", encoding="utf-8")
    digest = file_digest(path)

    def converting(
        requests: Iterable[Request[SourceFile]], _limits: DocumentLimits
    ) -> Iterator[tuple[SourceFile, Converted]]:
        for request in requests:
            yield request.key, Converted((Block("before"),))
            path.write_text("after", encoding="utf-8")

    monkeypatch.setattr(documents, "convert_all", converting)
    [document] = read_corpus([str(path)])
    path.write_text("after", encoding="utf-8")
    assert isinstance(document, Document)
    assert document.digest == digest


def test_a_disk_that_is_full_while_a_document_is_unpacked_ends_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"some text"))
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full")
    monkeypatch.setattr("dpr.data.documents.tempfile.TemporaryDirectory", lambda **_: nullcontext(str(tmp_path)))
    (tmp_path / "0.txt").symlink_to(full)
    with pytest.raises(DiskFullError, match="there is no space left on the disk of"):
        list(read_corpus([str(path)]))


def test_unpacking_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(bytes(range(32, 127)) * 100_000))
    rules = ReadRules(limits=DocumentLimits(mib=1))
    with pytest.raises(EmptyCorpusError, match="has more than 1 MiB unpacked; split it"):
        list(read_corpus([str(path)], rules))


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
    with pytest.raises(DataError, match=r"the corpus is empty.*; its document is bad:\n .*is empty"):
        list(read_corpus([str(tmp_path / "a.txt")]))
