"""An index in a database through its life: its hits are those of a local index, and its tables come and go with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dpr.errors import ConfigError, IndexFormatError
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
from tests.stores.store import Store

ENCODER, ANALYZER = HashEncoder(), WordAnalyzer()


def more(root: Path, *passages: Passage, replaces: bool = False) -> None:
    source = write_jsonl(root.with_name("more.jsonl"), passages)
    add(AddOptions(sources=(source,), index=root, replaces=replaces), ENCODER, ANALYZER)


class UpdatesInPostgres(Updates):
    options: ClassVar[dict[str, Any]] = {"dense": DenseOptions("postgres")}


class UpdatesInMilvus(Updates):
    options: ClassVar[dict[str, Any]] = {"dense": DenseOptions("milvus")}


UpdatesInPostgres.TestCase.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)
UpdatesInMilvus.TestCase.settings = settings(max_examples=3, stateful_step_count=6, deadline=None)


TestUpdatesInPostgres = pytest.mark.postgres(UpdatesInPostgres.TestCase)
TestUpdatesInMilvus = pytest.mark.milvus(UpdatesInMilvus.TestCase)


def test_a_table_lives_as_long_as_its_segment(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.exact))
    (first,) = store.tables()
    more(root, Passage("new", "Lisbon is the capital of Portugal"))
    assert len(store.tables()) == 2
    delete(root, ["seoul"], ANALYZER)
    prune(root, keep=0)
    assert len(store.tables()) == 2
    compact(root, ANALYZER)
    prune(root, keep=0)
    (last,) = store.tables()
    assert last != first
    verify_index(root, ANALYZER)


def test_an_older_generation_is_served_from_its_own_rows(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.exact))
    before = ranked(root, ["capital of France"])
    more(root, Passage("paris", "Paris is a town in Texas, not the capital of France"), replaces=True)
    delete(root, ["rome"], ANALYZER)
    assert ranked(root, ["capital of France"]) != before
    publish_again(root, 1)
    assert ranked(root, ["capital of France"]) == before


def test_a_small_segment_is_exact_in_the_same_database(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.graph, {"m": 8}))
    more(root, Passage("new", "Lisbon is the capital of Portugal"))
    kinds = [segment.dense.kind for segment in open_index(root).manifest.segments if segment.dense]
    assert kinds == [store.graph, store.exact]
    small_index(tmp_path / "flat", [*PASSAGES, Passage("new", "Lisbon is the capital of Portugal")])
    assert ranked(root, ["capital of Portugal"]) == ranked(tmp_path / "flat", ["capital of Portugal"])


def test_a_lost_table_is_loaded_from_the_files(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.exact))
    expected = ranked(root, ["capital of France"])
    (name,) = store.tables()
    store.drop(name)
    with pytest.raises(IndexFormatError, match=f"no {store.noun} {name}, or only a part of it.*dpr-index load"):
        ranked(root, ["capital of France"])
    ran = CliRunner().invoke(cli.app, ["load", str(root), "--json"])
    assert json.loads(ran.stdout)["segments"] == [open_index(root).manifest.segments[0].id]
    assert ranked(root, ["capital of France"]) == expected
    assert store.tables() == {name}


def test_a_table_that_is_lost_while_it_is_served_is_named(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.exact))
    retriever = open_index(root, ENCODER, ANALYZER).retriever("dense")
    retriever.search(["capital"], 3)
    (name,) = store.tables()
    store.drop(name)
    with pytest.raises(IndexFormatError, match=f"no {store.noun} {name}"):
        retriever.search(["capital"], 3)


def test_loading_an_index_without_a_database_is_refused(tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    with pytest.raises(ConfigError, match="no database holds vectors"):
        load_tables(tmp_path / "index")


def test_verification_compares_every_vector(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.exact))
    assert list(verify_index(root, ANALYZER).checks)[-1] == "database"
    (name,) = store.tables()
    store.change_vector(name)
    with pytest.raises(IndexFormatError, match=r"find python by|other vectors than the index, from row 0 on"):
        verify_index(root, ANALYZER)


def test_rows_that_are_gone_are_no_short_answer(tmp_path: Path, store: Store) -> None:
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.exact))
    retriever = open_index(root, ENCODER, ANALYZER).retriever("dense")
    (name,) = store.tables()
    store.remove_row(name)
    with pytest.raises(IndexFormatError, match=f"the {store.noun} {name} has other rows than the index"):
        retriever.search(["capital of France"], 20)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> OpenIndex:
    root = tmp_path_factory.mktemp("flat") / "index"
    make(root, windows=WindowRule(8, 2))
    return open_index(root, ENCODER, ANALYZER)


def test_a_filter_in_the_database_keeps_what_it_keeps_here(
    flat: OpenIndex, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three segments, deleted passages, long ones, fields that some segments lack; every type and operator."""
    make(tmp_path / "index", store.exact, WindowRule(8, 2))
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
def test_a_widened_field_is_filtered_over_all_segments(form: str, tmp_path: Path, store: Store) -> None:
    from dpr.filters import parse

    roots = {kind: tmp_path / kind for kind in ("flat", store.exact)}
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
    assert hits[store.exact] == hits["flat"] != []


@pytest.mark.parametrize(
    "name",
    [
        "it's",
        'a"b',
        "%s",
        "한국어 필드 이름이 아주 아주 아주 길어서 예순세 바이트를 넘는다",
        "vector",
        "passage",
        "left_out",
    ],
)
def test_any_name_of_a_field_is_a_column(name: str, tmp_path: Path, store: Store) -> None:
    from dpr.filters import Condition

    passages = [Passage(f"p{n}", "word", metadata={name: value}) for n, value in enumerate(["x'y", "100%", "\\"])]
    small_index(tmp_path / "index", passages, dense=DenseOptions(store.exact))
    index = open_index(tmp_path / "index", ENCODER, ANALYZER)
    for n, value in enumerate(["x'y", "100%", "\\"]):
        assert [hit[0] for hit in filtered(index, "dense", "word", Condition(name, "==", value), 5)] == [f"p{n}"]


def test_a_recall_may_be_asked_for(tmp_path: Path, store: Store) -> None:
    passages = [Passage(f"p{n:03}", f"{n} {n + 1} {n + 2}") for n in range(300)]
    manifest = small_index(tmp_path / "index", passages, dense=DenseOptions(store.graph, target_recall=0.9))
    assert manifest.dense is not None
    assert manifest.dense.kind == store.graph
    assert (manifest.dense.recall or 0) >= 0.9
    assert len(store.tables()) == 1  # the exact table, which it was measured against, is dropped
    assert verify_index(tmp_path / "index", ANALYZER)


def test_a_compacted_index_stays_in_the_database(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "SMALL_SEGMENT", 0)
    root = tmp_path / "index"
    small_index(root, dense=DenseOptions(store.graph))
    more(root, Passage("new", "Lisbon is the capital of Portugal"))
    manifest = compact(root, ANALYZER)
    assert [segment.dense.kind for segment in manifest.segments if segment.dense] == [store.graph]


def test_the_cost_is_estimated_and_nothing_is_left(tmp_path: Path, store: Store) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl")
    options = ["--dimension", "32", "--analyzer", "words", "--passages", "1000", "--json", "--dense-kind"]
    sizes = {}
    for kind in (store.exact, store.graph):
        ran = CliRunner().invoke(cli.app, ["estimate", "--corpus", source, *options, kind])
        sizes[kind] = json.loads(ran.stdout)["database_bytes"]
    assert 1000 * 128 < sizes[store.exact] < sizes[store.graph]
    assert store.tables() == set()
