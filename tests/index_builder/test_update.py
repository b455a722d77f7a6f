"""Adding, replacing and deleting passages leaves an index that searches as a fresh build of what is left."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import ConfigError, DataError, IndexFormatError, IndexLockedError
from dpr.search.open import open_index
from dpr.store.generation import publish_again, read_all, read_current, remove_generations
from dpr.store.journal import Journal
from dpr.store.windows import WindowRule
from dpr.types import Passage
from index_builder import current
from index_builder.current import RecordedEncoder
from index_builder.external import prune
from index_builder.update import AddOptions, add, compact, delete
from index_builder.verify import verify_index
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index, write_jsonl

ENCODER, ANALYZER = HashEncoder(), WordAnalyzer()
WORDS = ["a", "b", "c", "서울", "rare", "d"]
QUESTIONS = ["a b", "서울 c c", "rare", "d unheard"]
MORE = (
    Passage("berlin", "Berlin is the capital of Germany", "Berlin"),
    Passage("madrid", "Madrid is the capital of Spain", "Madrid", "spain", 0),
    Passage("spain-2", "Spain is a country of Europe", "Madrid", "spain", 100),
)


def ranked(root: Path, questions: list[str] = QUESTIONS, k: int = 5) -> dict[str, list[list[tuple[str, float]]]]:
    """Return ids and scores of every exact retriever."""
    index = open_index(root, encoder=ENCODER, analyzer=ANALYZER)
    return {
        name: [[(hit.passage_id, hit.score) for hit in hits] for hits in index.retriever(name).search(questions, k)]
        for name in ("dense", "bm25", "tfidf")
    }


def add_passages(
    root: Path, passages: Iterable[Passage], *, replaces: bool = False, rules: ReadRules = UTF8_RULES
) -> None:
    source = root.with_name("more.jsonl")
    source.write_text("".join(map(_row, passages)), encoding="utf-8")
    add(AddOptions(sources=(str(source),), index=root, replaces=replaces, rules=rules), ENCODER, ANALYZER)


def _row(passage: Passage) -> str:
    names = ("id", "title", "text", "document_id", "start")
    return json.dumps({name: getattr(passage, name) for name in names}, ensure_ascii=False) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    small_index(tmp_path / "index")
    return tmp_path / "index"


def fresh(tmp_path: Path, passages: list[Passage]) -> Path:
    root = tmp_path / "fresh" / "index"
    root.parent.mkdir()
    small_index(root, passages)
    return root


def test_added_passages_are_searched_with_the_others(root: Path, tmp_path: Path) -> None:
    add_passages(root, MORE)
    manifest = read_current(root)
    assert (manifest.name, manifest.passages, len(manifest.segments)) == ("000002", 9, 2)
    questions = ["capital of Germany", "대한민국의 수도", "country of Europe"]
    assert ranked(root, questions) == ranked(fresh(tmp_path, [*PASSAGES, *MORE]), questions)
    verify_index(root, ANALYZER)


def test_what_is_there_already_is_skipped_and_counted(root: Path) -> None:
    add_passages(root, [PASSAGES[0], MORE[0]])
    manifest = read_current(root)
    assert manifest.passages == 7
    assert manifest.provenance.sources[0].duplicates == 1


def test_an_index_copied_without_hidden_files_can_be_changed(root: Path) -> None:
    (root / ".lock").unlink()
    add_passages(root, [Passage("oslo", "Oslo is the capital of Norway", "Oslo")])
    assert (root / ".lock").is_file()
    assert delete(root, ["oslo"], WordAnalyzer()).passages == len(PASSAGES)


def test_an_id_with_blanks_is_deleted_in_any_unicode_form(root: Path) -> None:
    name = "2024 안전 교육.pdf"
    add_passages(root, [Passage(unicodedata.normalize("NFD", name), "text", "title")])
    with pytest.raises(DataError, match="has all passages of the sources already"):
        add_passages(root, [Passage(name, "text", "title")])
    assert delete(root, [unicodedata.normalize("NFD", name)], ANALYZER).passages == len(PASSAGES)


def test_passages_that_the_index_has_otherwise_are_refused_together_or_left_out(root: Path) -> None:
    passages = [*(Passage(passage.id, "another text", passage.title) for passage in PASSAGES[:2]), MORE[0]]
    with pytest.raises(DataError, match=r"^2 rows are bad(.*\n.*the index has a passage '.*' with another title){2}"):
        add_passages(root, passages)
    add_passages(root, passages, rules=ReadRules(skip_bad_rows=True))
    manifest = read_current(root)
    assert (manifest.passages, manifest.provenance.sources[0].bad_rows) == (len(PASSAGES) + 1, 2)


def test_a_replacement_names_bad_rows_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    passages = [MORE[0], Passage("empty", "")]
    with caplog.at_level(logging.WARNING, "dpr"):
        add_passages(root, passages, replaces=True, rules=ReadRules(skip_bad_rows=True))
    assert caplog.text.count("skipped 1 bad row") == 1


def test_nothing_new_is_no_generation(root: Path) -> None:
    with pytest.raises(DataError, match="has all passages of the sources already"):
        add_passages(root, PASSAGES)
    assert read_current(root).name == "000001"


def test_an_id_with_other_content_is_refused_and_upsert_replaces_it(root: Path, tmp_path: Path) -> None:
    changed = Passage("paris", "Paris was called Lutetia", "Paris")
    with pytest.raises(DataError, match="has a passage 'paris' with another title, text or field"):
        add_passages(root, [changed])
    add_passages(root, [changed], replaces=True)
    left = [passage for passage in PASSAGES if passage.id != "paris"]
    questions = ["capital of France", "Lutetia"]
    assert ranked(root, questions) == ranked(fresh(tmp_path, [*left, changed]), questions)
    verify_index(root, ANALYZER)


def test_upsert_replaces_all_passages_of_a_document(root: Path) -> None:
    add_passages(root, MORE)
    add_passages(root, [Passage("madrid", "Madrid lies on the Manzanares", "Madrid", "spain")], replaces=True)
    ids = {passage.id for passage in open_index(root).passages}
    assert "spain-2" not in ids
    assert {"madrid", "berlin"} < ids


def test_upsert_refuses_the_id_of_a_passage_that_stays(root: Path) -> None:
    add_passages(root, MORE)
    taken = Passage("berlin", "Berlin is a town in Connecticut", "Berlin", "connecticut")
    with pytest.raises(DataError, match="has a passage 'berlin' with another title, text or field"):
        add_passages(root, [taken], replaces=True)
    moved = Passage("spain-2", "Spain has a new text", "Madrid", "spain")  # an id of the document itself is free
    add_passages(root, [moved], replaces=True)
    assert open_index(root).passages.row_of("madrid") is None
    verify_index(root, ANALYZER)


def test_deleted_passages_are_gone_and_k_are_still_found(root: Path, tmp_path: Path) -> None:
    manifest = delete(root, ["paris", "kimchi"], ANALYZER)
    assert (manifest.passages, manifest.segments[0].deleted) == (4, 2)
    left = [passage for passage in PASSAGES if passage.id not in ("paris", "kimchi")]
    assert ranked(root, ["capital of France"], 3) == ranked(fresh(tmp_path, left), ["capital of France"], 3)
    index = open_index(root)
    assert index.passages.row_of("paris") is None
    assert [passage.id for passage in index.passages] == [passage.id for passage in left]
    assert "rank-bm25" not in index.names
    verify_index(root, ANALYZER)


def test_a_document_is_deleted_by_its_id(root: Path) -> None:
    add_passages(root, MORE)
    assert delete(root, ["spain"], ANALYZER).passages == 7


def test_an_empty_name_deletes_nothing(root: Path) -> None:
    add_passages(root, MORE)  # some of a document; the others would be deleted by its empty id
    with pytest.raises(DataError, match="an id to delete is empty"):
        delete(root, [""], ANALYZER)
    assert read_current(root).name == "000002"


def test_an_unknown_name_deletes_nothing(root: Path) -> None:
    with pytest.raises(DataError, match="no passage or document 'atlantis'; nothing was deleted"):
        delete(root, ["paris", "atlantis"], ANALYZER)
    assert read_current(root).name == "000001"


def test_an_index_is_not_emptied(root: Path) -> None:
    with pytest.raises(DataError, match="this deletes all passages of the index"):
        delete(root, [passage.id for passage in PASSAGES], ANALYZER)


def test_a_compacted_index_has_the_files_of_a_fresh_build(root: Path, tmp_path: Path) -> None:
    add_passages(root, MORE)
    delete(root, ["paris", "berlin"], ANALYZER)
    manifest = compact(root, ANALYZER)
    assert (len(manifest.segments), manifest.rows, manifest.passages) == (1, 7, 7)
    left = [passage for passage in [*PASSAGES, *MORE] if passage.id not in ("paris", "berlin")]
    other = fresh(tmp_path, left)
    for path in (other / "segments").rglob("*.npy"):
        (same,) = (root / "segments" / manifest.segments[0].id).rglob(path.name)
        assert path.read_bytes() == same.read_bytes(), path.name
    verify_index(root, ANALYZER)
    assert compact(root, ANALYZER) == manifest


def test_another_encoder_is_refused_before_anything_is_written(root: Path) -> None:
    source = write_jsonl(root.with_name("more.jsonl"), MORE)
    with pytest.raises(IndexFormatError, match="hash-2"):
        add(AddOptions(sources=(source,), index=root), HashEncoder("hash-2"), ANALYZER)
    assert not list(root.glob(".building-*"))


def test_an_older_generation_is_published_again(root: Path) -> None:
    delete(root, ["paris"], ANALYZER)
    publish_again(root, 1)
    assert read_current(root).passages == 6
    with pytest.raises(IndexFormatError, match="has no generation 000007; choose from 000001, 000002"):
        publish_again(root, 7)


def test_old_generations_are_removed_with_the_segments_that_are_theirs_alone(root: Path) -> None:
    add_passages(root, MORE)
    delete(root, ["paris"], ANALYZER)
    compact(root, ANALYZER)
    assert remove_generations(root, keep=1) == ["000001", "000002"]
    assert [manifest.name for manifest in read_all(root)] == ["000003", "000004"]
    assert remove_generations(root, keep=0) == ["000003"]
    assert len(list((root / "segments").iterdir())) == 1
    verify_index(root, ANALYZER)


class Updates(RuleBasedStateMachine):
    """Any sequence of changes gives the scores of a fresh build of the passages that are left."""

    options: ClassVar[dict[str, Any]] = {}
    """Further options of the index; a fresh build has none."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name) / "index"
        self.passages: dict[str, Passage] = {}
        self.fresh_builds = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    short = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)
    long = st.lists(st.sampled_from(WORDS), min_size=11, max_size=30)  # in windows
    texts = st.one_of(short, short, long).map(" ".join)
    new = st.dictionaries(st.sampled_from([f"p{number}" for number in range(9)]), texts, min_size=1, max_size=4)

    @initialize(content=new)
    def build(self, content: dict[str, str]) -> None:
        self.passages = {name: Passage(name, text) for name, text in content.items()}
        small_index(self.root, self.passages.values(), windows=WindowRule(8, 2), **self.options)

    @rule(content=new)
    def upsert(self, content: dict[str, str]) -> None:
        add_passages(self.root, [Passage(name, text) for name, text in content.items()], replaces=True)
        for name, text in content.items():
            self.passages.pop(name, None)
            self.passages[name] = Passage(name, text)

    @rule(content=new)
    def add(self, content: dict[str, str]) -> None:
        unknown = {name: text for name, text in content.items() if name not in self.passages}
        if unknown:
            add_passages(self.root, [Passage(name, text) for name, text in unknown.items()])
            self.passages |= {name: Passage(name, text) for name, text in unknown.items()}

    @precondition(lambda self: len(self.passages) > 1)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        most = len(self.passages) - 1
        names = data.draw(st.lists(st.sampled_from(sorted(self.passages)), min_size=1, max_size=most, unique=True))
        delete(self.root, names, ANALYZER)
        for name in names:
            del self.passages[name]

    @rule(content=new, pieces=st.integers(0, 6))
    def stop_an_upsert(self, content: dict[str, str], pieces: int) -> None:
        """The process ends when some pieces of the work are finished, or when all is done."""
        finish, calls = Journal.finish, iter(range(100))

        def ending(journal: Journal, piece: str, result: object = None) -> None:
            if next(calls) == pieces:
                raise KeyboardInterrupt
            finish(journal, piece, result)

        with patch.object(Journal, "finish", ending), suppress(KeyboardInterrupt):
            self.upsert(content)

    @rule()
    def compact(self) -> None:
        compact(self.root, ANALYZER)

    @rule()
    def prune(self) -> None:
        prune(self.root, keep=0)

    @invariant()
    def it_is_a_fresh_build(self) -> None:
        if not self.passages:
            return
        self.fresh_builds += 1
        other = Path(self.folder.name) / f"fresh-{self.fresh_builds}"
        small_index(other, self.passages.values(), windows=WindowRule(8, 2))
        assert ranked(self.root) == ranked(other)


Updates.TestCase.settings = settings(max_examples=15, stateful_step_count=8)
TestUpdates = Updates.TestCase


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_hundred_sequences_of_changes() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Updates, settings=settings(max_examples=200, stateful_step_count=20))


def test_deleted_rows_keep_their_place(root: Path) -> None:
    delete(root, ["seoul"], ANALYZER)
    assert np.array_equal(open_index(root).passages.alive, [1, 2, 3, 4, 5])


def test_an_encoder_is_taken_when_the_index_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that publishes while another process loads the encoder would leave an index with vectors of none."""
    root = tmp_path / "index"
    small_index(root)
    source = write_jsonl(tmp_path / "more.jsonl", MORE)

    def load(*_: object) -> HashEncoder:
        with pytest.raises(IndexLockedError, match="is being written"):
            small_index(root, encoder=None, windows=None)
        return ENCODER

    monkeypatch.setattr(current, "load_recorded", load)
    manifest = add(AddOptions(sources=(source,), index=root), RecordedEncoder(), ANALYZER)
    assert manifest.encoder is not None
    assert all(segment.dense for segment in manifest.segments)


@pytest.mark.parametrize(
    ("built_with", "added_with", "sentence"),
    [
        (None, ENCODER, "the index has no vectors, so that no encoder is used"),
        (None, RecordedEncoder("somewhere"), "the index has no vectors, so that no encoder is used"),
        (ENCODER, None, "the index has vectors of the encoder hash-encoder; give it"),
    ],
)
def test_an_encoder_is_given_if_and_only_if_there_are_vectors(
    tmp_path: Path, built_with: HashEncoder | None, added_with: HashEncoder | RecordedEncoder | None, sentence: str
) -> None:
    root = tmp_path / "index"
    before = small_index(root, encoder=built_with)
    source = write_jsonl(tmp_path / "more.jsonl", MORE)
    with pytest.raises(ConfigError, match=sentence):
        add(AddOptions(sources=(source,), index=root), added_with, ANALYZER)
    assert read_current(root) == before


def test_another_analyzer_deletes_and_compacts_nothing(tmp_path: Path) -> None:
    root = tmp_path / "index"
    small_index(root)
    delete(root, ["rome"], ANALYZER)
    with pytest.raises(IndexFormatError, match="made with the analyzer words of version 1"):
        delete(root, ["paris"], OtherAnalyzer())
    with pytest.raises(IndexFormatError, match="made with the analyzer words of version 1"):
        compact(root, OtherAnalyzer())
    assert read_current(root).name == "000002"


class OtherAnalyzer(WordAnalyzer):
    version = "2"
