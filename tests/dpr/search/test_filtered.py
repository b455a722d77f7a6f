"""Filters are exact: every retriever finds the best passages that a filter keeps, with the scores of the whole index.

The oracle asks the retriever for all passages, drops what the filter leaves out, and takes the first k.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpr.dense.gathered import GatheredIndex
from dpr.errors import RequestError
from dpr.filters import AllOf, AnyOf, Condition, Filter, Not, parse
from dpr.metadata import MetadataValue
from dpr.search.fusion import Fusion
from dpr.search.open import OpenIndex, open_index
from dpr.search.registry import RETRIEVERS
from dpr.search.retrievers import HybridRetriever
from dpr.store.windows import WindowRule
from dpr.types import Passage
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from index_builder.learned import LearnedEncoders, load_learned_encoders
from index_builder.update import AddOptions, add, delete
from tests.fakes import HashEncoder, WordAnalyzer
from tests.kinds import kinds
from tests.learned_models import make_colbert, make_splade

ENCODER, ANALYZER = HashEncoder(), WordAnalyzer()
WORDS = ("seoul", "busan", "palace", "river", "king", "train", "tea", "island", "bridge", "market")
CATEGORIES = ("인사", "총무", "sales")
TAGS = ("draft", "final", "old")
COUNT = 60
QUESTIONS = ["seoul palace", "train to busan", "tea market bridge", "nothing"]
LISTS = tuple(name for name, entry in RETRIEVERS.items() if not entry.fuses and not entry.is_reference)
"""Every list of the registry, so that a new one is held to its filters, too."""


def row(number: int) -> dict[str, Any]:
    random = np.random.default_rng(number)
    fields: dict[str, Any] = {
        "category": CATEGORIES[random.integers(3)],
        "year": int(random.integers(2018, 2025)),
        "score": float(random.integers(0, 8)) / 4,
        "day": f"2024-0{random.integers(1, 5)}-1{random.integers(0, 4)}",
        "at": f"2024-01-0{random.integers(1, 4)}T0{random.integers(0, 9)}:00:00Z",
        "open": bool(random.integers(2)),
        "tags": [str(tag) for tag in random.choice(TAGS, random.integers(0, 3), replace=False)],
    }
    present = {name: value for name, value in fields.items() if random.random() > 0.2}
    text = " ".join(str(word) for word in random.choice(WORDS, 5 if number % 3 else 25))
    return {"id": f"p{number:02}", "text": text, "title": str(random.choice(WORDS)), **present}


def source(path: Path, first: int, last: int) -> str:
    path.write_text("".join(json.dumps(row(number)) + "\n" for number in range(first, last)), encoding="utf-8")
    return str(path)


def make(
    root: Path, kind: str = "flat", windows: WindowRule | None = None, learned: LearnedEncoders | None = None
) -> None:
    """Build an index of three segments, with deleted passages in two of them."""
    options = BuildOptions(
        sources=(source(root.with_name("first.jsonl"), 0, 40),),
        output=root,
        dense=DenseOptions(kind),
        windows=windows,
    )
    build(options, ENCODER, ANALYZER, learned=learned or {})
    add(AddOptions(sources=(source(root.with_name("second.jsonl"), 40, 55),), index=root), ENCODER, ANALYZER)
    delete(root, [f"p{number:02}" for number in (3, 17, 41, 42)], ANALYZER)
    add(AddOptions(sources=(source(root.with_name("third.jsonl"), 55, COUNT),), index=root), ENCODER, ANALYZER)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> OpenIndex:
    folder = tmp_path_factory.mktemp("filtered")
    models = {
        "splade": str(make_splade(tiny_checkpoint, folder / "splade")),
        "colbert": str(make_colbert(tiny_checkpoint, folder / "colbert")),
    }
    make(folder / "index", learned=load_learned_encoders(models))
    return open_index(folder / "index", ENCODER, ANALYZER)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda value, other: value == other,
    "<": lambda value, other: value < other,
    "<=": lambda value, other: value <= other,
    ">": lambda value, other: value > other,
    ">=": lambda value, other: value >= other,
    "in": lambda value, others: value in others,
    "contains": lambda value, other: other in value,
    "prefix": lambda value, other: value.startswith(other),
}


def comparable(value: Any) -> Any:
    """Return a day or a time as a time, and anything else as it is."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-":
        read = datetime.fromisoformat(value)
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    return tuple(map(comparable, value)) if isinstance(value, tuple) else value


def holds(condition: Filter, passage: Passage) -> bool:
    """Tell whether a filter keeps a passage, by the definition."""
    match condition:
        case AllOf(inner):
            return all(holds(each, passage) for each in inner)
        case AnyOf(inner):
            return any(holds(each, passage) for each in inner)
        case Not(inner):
            return not holds(inner, passage)
        case Condition(field, "exists"):
            return field in values_of(passage)
        case Condition(field, "!=", value):
            return not holds(Condition(field, "==", value), passage)
        case Condition(field, "not in", value):
            return not holds(Condition(field, "in", value), passage)
        case Condition(field, operator, value):
            if field not in values_of(passage):
                return False
            of_passage = values_of(passage)[field]
            if isinstance(of_passage, list):
                test = COMPARE["==" if operator == "contains" else operator]
                return any(test(item, value) for item in of_passage)
            return COMPARE[operator](comparable(of_passage), comparable(value))
    raise AssertionError(condition)


def values_of(passage: Passage) -> Mapping[str, MetadataValue]:
    return {**passage.metadata, "id": passage.id, "title": passage.title, "document_id": passage.document_id}


RANGES = ("==", "!=", "<", "<=", ">", ">=")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "year": st.integers(2017, 2025) | st.sampled_from([2019.5, 2020.0]),
    "score": st.sampled_from([0, 0.5, 1, 1.75, 3]),
    "day": st.sampled_from(["2024-01-10", "2024-02-12", "2024-04-13", date(2024, 3, 11)]),
    "at": st.sampled_from(["2024-01-02T03:00:00Z", "2024-01-02", "2024-01-02T12:00:00+09:00"]),
    "category": st.sampled_from([*CATEGORIES, "없음", "sal"]),
    "tags": st.sampled_from([*TAGS, "dr", "x"]),
    "title": st.sampled_from([*WORDS, "se"]),
}


def conditions() -> st.SearchStrategy[Filter]:
    texts = ("category", "tags", "title")
    ranged = st.sampled_from([name for name in VALUES if name not in texts]).flatmap(
        lambda name: st.builds(Condition, st.just(name), st.sampled_from(RANGES), VALUES[name])
    )
    tests = st.sampled_from(["==", "!=", "contains", "prefix"])
    tested = st.sampled_from(texts).flatmap(lambda name: st.builds(Condition, st.just(name), tests, VALUES[name]))
    listed = st.sampled_from(list(VALUES)).flatmap(
        lambda name: st.builds(
            Condition, st.just(name), st.sampled_from(["in", "not in"]), st.lists(VALUES[name], max_size=3).map(tuple)
        )
    )
    others = st.builds(Condition, st.just("open"), st.sampled_from(["==", "!="]), st.booleans()) | st.builds(
        Condition, st.sampled_from([*VALUES, "open"]), st.just("exists")
    )
    return ranged | tested | listed | others


FILTERS: st.SearchStrategy[Filter] = st.recursive(
    conditions(),
    lambda inner: (
        st.builds(Not, inner)
        | st.lists(inner, min_size=1, max_size=3).map(lambda each: AllOf(tuple(each)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda each: AnyOf(tuple(each)))
    ),
    max_leaves=5,
)


def expected(index: OpenIndex, name: str, question: str, condition: Filter, k: int) -> list[tuple[str, float]]:
    """Return the ids and scores of the best k by brute force: all passages are retrieved, then filtered."""
    hits = index.retriever(name).search([question], COUNT)[0]
    left = [hit for hit in hits if holds(condition, index.passages[hit.row])]
    return [(hit.passage_id, hit.score) for hit in left[:k]]


def filtered(index: OpenIndex, name: str, question: str, condition: Filter, k: int) -> list[tuple[str, float]]:
    hits = index.retriever(name, filter=condition).search([question], k)[0]
    return [(hit.passage_id, hit.score) for hit in hits]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=FILTERS, k=st.integers(1, 12), question=st.sampled_from(QUESTIONS))
def test_a_list_has_the_best_passages_that_the_filter_keeps(
    index: OpenIndex, condition: Filter, k: int, question: str
) -> None:
    for name in LISTS:
        assert filtered(index, name, question, condition, k) == expected(index, name, question, condition, k)
    assert index.filtered.count(condition) == sum(holds(condition, passage) for passage in index.passages)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=FILTERS)
def test_a_filter_is_the_same_in_json(index: OpenIndex, condition: Filter) -> None:
    read = parse(json.loads(json.dumps(condition.to_json())))
    assert index.filtered.resources(read).id_rank.tolist() == index.filtered.resources(condition).id_rank.tolist()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=FILTERS, question=st.sampled_from(QUESTIONS))
def test_a_fusion_fuses_the_filtered_lists(index: OpenIndex, condition: Filter, question: str) -> None:
    for fusion, lists in {"hybrid": ("dense", "bm25"), "bm25+splade": ("bm25", "splade")}.items():
        sources = {name: index.retriever(name, filter=condition) for name in lists}
        fused = HybridRetriever(sources, index.passages.id, Fusion()).search([question], 10)
        assert index.retriever(fusion, Fusion(), condition).search([question], 10) == fused
        assert all(holds(condition, index.passages[hit.row]) for hit in fused[0])


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("windows", [None, WindowRule(8, 2)])
def test_every_index_type_is_exact_over_few_passages(tmp_path: Path, kind: str, windows: WindowRule | None) -> None:
    make(tmp_path / "index", kind, windows)
    index = open_index(tmp_path / "index", ENCODER, ANALYZER)
    for form in ('category = "인사"', 'year >= 2021 and not tags contains "old"', "score > 99"):
        condition = parse(form)
        for question in QUESTIONS:
            assert filtered(index, "dense", question, condition, 7) == expected(index, "dense", question, condition, 7)


@pytest.mark.parametrize("kind", kinds(approximate=True))
def test_an_approximate_index_selects_many_rows_itself(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpr.dense.approximate.GATHERED_BYTES", 0)
    make(tmp_path / "index", kind)
    index = open_index(tmp_path / "index", ENCODER, ANALYZER)
    condition = parse("year >= 2020")
    assert not isinstance(index.filtered.resources(condition).vector_index(), GatheredIndex)
    for question in QUESTIONS:
        assert filtered(index, "dense", question, condition, 7) == expected(index, "dense", question, condition, 7)


def test_rank_bm25_has_the_scores_of_all_passages(tmp_path: Path) -> None:
    path = source(tmp_path / "corpus.jsonl", 0, 40)
    build(BuildOptions(sources=(path,), output=tmp_path / "index"), None, ANALYZER)
    index = open_index(tmp_path / "index", analyzer=ANALYZER)
    condition = parse("year >= 2021")
    for question in QUESTIONS:
        assert filtered(index, "rank-bm25", question, condition, 5) == expected(
            index, "rank-bm25", question, condition, 5
        )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            "author = 3",
            r"the field 'author', which no passage has; the fields are at .datetime., category .str",
        ),
        ('year = "2020"', "compares the field 'year', which is of type integer, with '2020'; give a number"),
        ("open = 1", "the field 'open', which is of type boolean, with 1; give true or false"),
        ("year = true", "the field 'year', which is of type integer, with True; give a number"),
        ('day >= "soon"', "the field 'day', which is of type date, with 'soon'; give a day, such as 2024-01-31"),
        ('category < "x"', "has '<' for the field 'category', which is of type string; use ==, in, contains"),
        ('year contains "2"', "has 'contains' for the field 'year', which is of type integer; use ==, <"),
    ],
)
def test_a_filter_that_does_not_suit_the_fields_is_refused(index: OpenIndex, form: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as raised:
        index.retriever("bm25", filter=parse(form))
    assert raised.value.field == "filter"


def test_names_may_be_written_as_in_haystack(index: OpenIndex) -> None:
    form = {"field": "meta.year", "operator": ">=", "value": 2021}
    assert index.filtered.count(parse(form)) == index.filtered.count(parse("year >= 2021"))


def test_an_index_without_fields_names_the_passages_own(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "a", "text": "seoul"}\n{"id": "b", "text": "seoul"}\n', encoding="utf-8")
    build(BuildOptions(sources=(str(path),), output=tmp_path / "index"), None, ANALYZER)
    index = open_index(tmp_path / "index", analyzer=ANALYZER)
    assert filtered(index, "bm25", "seoul", parse('id = "b"'), 5)[0][0] == "b"
    with pytest.raises(RequestError, match=r"the fields are id \(string\), title \(string\), document_id \(string\)"):
        index.retriever("bm25", filter=parse("year = 3"))


def test_facets_count_the_passages_that_are_there(index: OpenIndex) -> None:
    facets = index.filtered.facets(parse("year >= 2021"), 10)
    recent = [passage for passage in index.passages if holds(parse("year >= 2021"), passage)]
    categories = [passage.metadata.get("category") for passage in recent]
    assert dict(facets["category"].values) == {
        name: categories.count(name) for name in CATEGORIES if name in categories
    }
    lists = [passage.metadata.get("tags", []) for passage in recent]
    tags = [tag for items in lists if isinstance(items, list) for tag in items]
    assert dict(facets["tags"].values) == {tag: tags.count(tag) for tag in set(tags)}
    assert facets["tags"].distinct == len(set(tags))
    assert facets["year"].least >= 2021
    assert facets["open"].passages == sum("open" in passage.metadata for passage in recent)
    assert facets["score"].values == ()
    assert sorted(facets["year"].values, key=lambda pair: (-pair[1], pair[0])) == list(facets["year"].values)
