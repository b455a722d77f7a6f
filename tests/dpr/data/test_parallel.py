from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dpr.data.parallel import SentencePair, read_parallel
from dpr.errors import DataError


def written(tmp_path: Path, content: str, name: str = "docs.tsv") -> Path:
    path = tmp_path / name
    data = content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["docs.tsv", "docs.tsv.gz"])
def test_a_line_is_a_pair_that_knows_its_place(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "About this\t이 설명서에 관하여\n\n Why? \t 왜? \n", name)
    assert list(read_parallel(path)) == [
        SentencePair(f"{name}:1", "About this", "이 설명서에 관하여"),
        SentencePair(f"{name}:3", "Why?", "왜?"),
    ]


def test_a_header_names_the_columns_in_either_order(tmp_path: Path) -> None:
    [pair] = read_parallel(written(tmp_path, "Target\tSource\n왜?\tWhy?\n"))
    assert (pair.source, pair.target) == ("Why?", "왜?")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("Why?\t왜?\nWhy not?\n", r"docs\.tsv, line 2: has no tab and so 1 column instead of 2 \(source, target\)"),
        ("Why?\n", "line 1: has no tab and so 1 column instead of 2"),
        ("a\tb\tc\n", "line 1: has 3 columns instead of 2"),
        ("Why?\t \n", "line 1: the field 'target' is empty"),
        ("\t왜?\n", "line 1: the field 'source' is empty"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        list(read_parallel(written(tmp_path, content)))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"docs\.csv: has no ending of a file of parallel sentences; use \.tsv or"):
        list(read_parallel(written(tmp_path, "a,b", "docs.csv")))
    with pytest.raises(DataError, match="no such file"):
        list(read_parallel(tmp_path / "absent.tsv"))
    (tmp_path / "korean.tsv").write_bytes("Why?\t왜?\n".encode("euc-kr"))
    with pytest.raises(DataError, match=r"korean\.tsv, line 1: is not UTF-8"):
        list(read_parallel(tmp_path / "korean.tsv"))


def test_reads_the_translations_of_the_python_documentation(shared_data: Path) -> None:
    pairs = list(read_parallel(shared_data / "korean-text" / "python-docs-en-ko.tsv.gz"))
    assert len(pairs) == 28239
    assert pairs[0] == SentencePair("python-docs-en-ko.tsv.gz:1", "About this documentation", "이 설명서에 관하여")
