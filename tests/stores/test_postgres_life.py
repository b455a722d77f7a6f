"""An index in PostgreSQL through its life: its hits are those of a local index, and its tables come and go with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dpr.errors import ConfigError, DataError, IndexFormatError
from dpr.filters import Filter
from dpr.search.open import OpenIndex, open_index
from dpr.store.generation import publish_again
from dpr.store.windows import WindowRule
from dpr.types import Passage
from index_builder import cli, update
from index_builder.dense import DenseOptions
from index_builder.external import load_tables, prune
from index_builder.update import AddOptions, add, compact, delete
from index_builder.verify import verify_index
from tests.dpr.search.test_filtered import FILTERS, QUESTIONS, filtered, make
from tests.fakes import HashEncoder, WordAnalyzer
from tests.index_builder.test_update import Updates, ranked
from tests.small_index import PASSAGES, small_index, write_jsonl

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

pytestmark = pytest.mark.postgres

ENCODER, ANALYZER = HashEncoder(), WordAnalyzer()
IN_DATABASE = DenseOptions("postgres")


def tables(uri: str) -> set[str]:
    with psycopg.connect(uri) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        return {name for (name,) in connection.execute(query)}


def execute(uri: str, statement: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(statement)


def more(root: Path, *passages: Passage, replaces: bool = False) -> None:
    source = write_jsonl(root.with_name("more.jsonl"), passages)
    add(AddOptions(sources=(source,), index=root, replaces=replaces), ENCODER, ANALYZER)


class UpdatesInPostgres(Updates):
    options: ClassVar[dict[str, Any]] = {"dense": IN_DATABASE}


UpdatesInPostgres.TestCase.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)


TestUpdates = UpdatesInPostgres.TestCase


def test_a_table_lives_as_long_as_its_segment(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=IN_DATABASE)
    (first,) = tables(postgres)
    more(root, Passage("new", "Lisbon is the capital of Portugal"))
    assert len(tables(postgres)) == 2
    delete(root, ["seoul"], ANALYZER)
    prune(root, keep=0)
    assert len(tables(postgres)) == 2
    compact(root, ANALYZER)
    prune(root, keep=0)
    (last,) = tables(postgres)
    assert last != first
    verify_index(root, ANALYZER)


def test_an_older_generation_is_served_from_its_own_rows(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=IN_DATABASE)
    before = ranked(root, ["capital of France"])
    more(root, Passage("paris", "Paris is a town in Texas, not the capital of France"), replaces=True)
    delete(root, ["rome"], ANALYZER)
    assert ranked(root, ["capital of France"]) != before
    publish_again(root, 1)
    assert ranked(root, ["capital of France"]) == before


def test_a_small_segment_is_exact_in_the_same_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions("postgres-hnsw", {"m": 8}))
    more(root, Passage("new", "Lisbon is the capital of Portugal"))
    kinds = [segment.dense.kind for segment in open_index(root).manifest.segments if segment.dense]
    assert kinds == ["postgres-hnsw", "postgres"]
    small_index(tmp_path / "flat", [*PASSAGES, Passage("new", "Lisbon is the capital of Portugal")])
    assert ranked(root, ["capital of Portugal"]) == ranked(tmp_path / "flat", ["capital of Portugal"])


def test_a_lost_table_is_loaded_from_the_files(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=IN_DATABASE)
    expected = ranked(root, ["capital of France"])
    (name,) = tables(postgres)
    execute(postgres, f"DROP TABLE {name}")
    with pytest.raises(IndexFormatError, match=f"no table {name}, or only a part of it.*dpr-index load"):
        ranked(root, ["capital of France"])
    ran = CliRunner().invoke(cli.app, ["load", str(root), "--json"])
    assert json.loads(ran.stdout)["segments"] == [open_index(root).manifest.segments[0].id]
    assert ranked(root, ["capital of France"]) == expected
    assert tables(postgres) == {name}


def test_a_table_that_is_lost_while_it_is_served_is_named(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=IN_DATABASE)
    retriever = open_index(root, ENCODER, ANALYZER).retriever("dense")
    retriever.search(["capital"], 3)
    (name,) = tables(postgres)
    execute(postgres, f"DROP TABLE {name}")
    with pytest.raises(IndexFormatError, match=f"no table {name}"):
        retriever.search(["capital"], 3)


def test_loading_an_index_without_a_database_is_refused(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    with pytest.raises(ConfigError, match="no database holds vectors"):
        load_tables(tmp_path / "index")


def test_verification_compares_every_vector(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=IN_DATABASE)
    assert [check.name for check in verify_index(root, ANALYZER).checks][-1] == "database"
    (name,) = tables(postgres)
    execute(postgres, f"UPDATE {name} SET embedding = embedding * embedding WHERE vector = 3")  # noqa: S608
    with pytest.raises(IndexFormatError, match=r"find python by|other vectors than the index, from row 0 on"):
        verify_index(root, ANALYZER)


def test_rows_that_are_gone_are_no_short_answer(tmp_path: Path, postgres: str) -> None:
    root = tmp_path / "index"
    small_index(root, dense=IN_DATABASE)
    (name,) = tables(postgres)
    execute(postgres, f"DELETE FROM {name} WHERE vector = 3")  # noqa: S608
    with pytest.raises(IndexFormatError, match="has other rows than the index"):
        ranked(root, ["capital of France"])


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> OpenIndex:
    root = tmp_path_factory.mktemp("flat") / "index"
    make(root, windows=WindowRule(8, 2))
    return open_index(root, ENCODER, ANALYZER)


def test_a_filter_in_sql_keeps_what_it_keeps_here(
    flat: OpenIndex, tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three segments, deleted passages, long ones, fields that some segments lack; every type and operator."""
    make(tmp_path / "index", "postgres", WindowRule(8, 2))
    index = open_index(tmp_path / "index", ENCODER, ANALYZER)

    @settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(condition=FILTERS, question=st.sampled_from(QUESTIONS), k=st.sampled_from([3, 60]))
    def compare(condition: Filter, question: str, k: int) -> None:
        for name in ("dense", "hybrid"):
            assert filtered(index, name, question, condition, k) == filtered(flat, name, question, condition, k)

    compare()


@pytest.mark.parametrize(
    "form",
    [
        "n > 2.5",
        "n == 3",
        "n in (1, 2.5, 3)",
        "n != 3",
        "day >= 2024-01-02",
        'day == "2024-01-02T12:00:00Z"',
        "day exists",
    ],
)
def test_a_widened_field_is_filtered_over_all_segments(form: str, tmp_path: Path) -> None:
    from dpr.filters import parse

    roots = {kind: tmp_path / kind for kind in ("flat", "postgres")}
    hits = {}
    for kind, root in roots.items():
        first = [Passage(f"a{n}", "word", metadata={"n": n, "day": f"2024-01-0{n}"}) for n in (1, 2, 3)]
        small_index(root, [*first, Passage("a0", "word")], dense=DenseOptions(kind))
        second = [
            Passage(f"b{n}", "word", metadata={"n": n + 0.5, "day": f"2024-01-0{n}T12:00:00Z"}) for n in (1, 2, 3)
        ]
        more(root, *second)
        index = open_index(root, ENCODER, ANALYZER)
        assert index.manifest.fields == {"n": "number", "day": "datetime"}
        hits[kind] = filtered(index, "dense", "word", parse(form), 20)
    assert hits["postgres"] == hits["flat"] != []


@pytest.mark.parametrize(
    "name",
    ["it's", 'a"b', "%s", "한국어 필드 이름이 아주 아주 아주 길어서 예순세 바이트를 넘는다", "vector", "passage"],
)
def test_any_name_of_a_field_is_a_column(name: str, tmp_path: Path) -> None:
    from dpr.filters import Condition

    passages = [Passage(f"p{n}", "word", metadata={name: value}) for n, value in enumerate(["x'y", "100%", "\\"])]
    small_index(tmp_path / "index", passages, dense=IN_DATABASE)
    index = open_index(tmp_path / "index", ENCODER, ANALYZER)
    for n, value in enumerate(["x'y", "100%", "\\"]):
        assert [hit[0] for hit in filtered(index, "dense", "word", Condition(name, "==", value), 5)] == [f"p{n}"]


def test_a_text_that_postgresql_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the field 'code' of a passage has a NUL character"):
        small_index(tmp_path / "index", [Passage("a", "word", metadata={"code": "x\0y"})], dense=IN_DATABASE)


def test_a_recall_may_be_asked_for(tmp_path: Path, postgres: str) -> None:
    passages = [Passage(f"p{n:03}", f"{n} {n + 1} {n + 2}") for n in range(300)]
    manifest = small_index(tmp_path / "index", passages, dense=DenseOptions("postgres-hnsw", target_recall=0.9))
    assert manifest.dense is not None
    assert manifest.dense.kind == "postgres-hnsw"
    assert (manifest.dense.recall or 0) >= 0.9
    assert len(tables(postgres)) == 1  # the exact table, which it was measured against, is dropped
    assert verify_index(tmp_path / "index", ANALYZER)


def test_a_compacted_index_stays_in_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "SMALL_SEGMENT", 0)
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions("postgres-hnsw"))
    more(root, Passage("new", "Lisbon is the capital of Portugal"))
    manifest = compact(root, ANALYZER)
    assert [segment.dense.kind for segment in manifest.segments if segment.dense] == ["postgres-hnsw"]


def test_the_cost_is_estimated_and_nothing_is_left(tmp_path: Path, postgres: str) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl")
    options = ["--dimension", "32", "--analyzer", "words", "--passages", "1000", "--json", "--dense-kind"]
    sizes = {}
    for kind in ("postgres", "postgres-hnsw"):
        ran = CliRunner().invoke(cli.app, ["estimate", "--corpus", source, *options, kind])
        sizes[kind] = json.loads(ran.stdout)["database_bytes"]
    assert 1000 * 128 < sizes["postgres"] < sizes["postgres-hnsw"]
    assert tables(postgres) == set()
