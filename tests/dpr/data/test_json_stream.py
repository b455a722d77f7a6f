from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpr.data import json_stream
from dpr.data.json_stream import read_objects
from dpr.errors import DataError
from dpr.unicode_form import composed


def objects_of(path: Path) -> list[Mapping[str, object]]:
    return [record.fields for _, record in read_objects(path)]


names = st.text(st.characters(codec="utf-8")).map(composed)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(codec="utf-8")), children),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(
    objects=st.lists(st.dictionaries(names, values), max_size=6),
    indent=st.sampled_from([None, 4]),
    ascii_only=st.booleans(),
    block=st.integers(1, 30),
)
def test_an_array_comes_back_object_by_object_whatever_the_block(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[dict[str, object]],
    indent: int | None,
    ascii_only: bool,
    block: int,
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(objects, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_BLOCK_CHARACTERS", block)
        assert objects_of(path) == objects


def test_json_lines_are_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n'))
    assert objects_of(path) == [{"a": 1}, {"a": 2}]


def test_records_know_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"a": "x"}, {"a": "y"}], indent=4))
    assert [(number, record.location.number) for number, record in read_objects(path)] == [(0, 2), (1, 5)]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('[{"a": 1}, {"a": ', "line 1: is not valid JSON, or the file is truncated"),
        ('[\n{"a": 1},\n', "line 3: the file ends before its list does; it is truncated"),
        ('[\n{"a": 1},\n{a: 2}]', "line 3: is not valid JSON, or the file is truncated"),
        ("[1, 2]", "line 1: is a whole number; it must be a JSON object"),
        ('[{"a": "\\ud800"}]', "line 1: is not valid JSON"),
    ],
)
def test_a_malformed_or_truncated_file_names_the_line(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.json, {cause}"):
        objects_of(path)


ASCII_OBJECTS = [{"a": "x" * 100}] * 3000


@pytest.mark.parametrize(
    ("content", "encoding", "cause"),
    [
        ([{"a": "서울은 어디에"}], "cp949", "is not UTF-8 .*; it looks like Korean in cp949 .*: give --encoding cp949"),
        ([*ASCII_OBJECTS, {"a": "서울은 어디에"}], "cp949", "it looks like Korean in cp949 .*: give --encoding cp949"),
        ([{"a": "서울"}], "utf-16", "give --encoding utf-16"),
        ([{"a": "seoul"}], "utf-16-le", "give --encoding utf-16"),
        ([{"a": "café"}], "latin-1", "is not UTF-8 .*; give its --encoding, or save the file as UTF-8"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_another_encoding_is_named_however_long_the_lines_are(
    tmp_path: Path, content: list[dict[str, str]], encoding: str, cause: str, indent: int | None
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(content, ensure_ascii=False, indent=indent).encode(encoding))
    with pytest.raises(DataError, match=rf"a\.json: .*{cause}"):
        objects_of(path)
