"""Long passages in windows, from the corpus to the hits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpr.data.chunk import chunk_spans
from dpr.dense.index_types import EXACT
from dpr.errors import ConfigError, IndexFormatError
from dpr.measured import EncodedPassages, TokensRead
from dpr.search.open import open_index
from dpr.store.generation import read_current
from dpr.store.manifest import Manifest, signed
from dpr.store.windows import WindowRule
from dpr.types import FloatArray, Hit, Passage, PassageWindow, Progress, no_progress
from index_builder import build_command, cli
from index_builder.build import BuildOptions, build
from index_builder.dense import DenseOptions
from index_builder.estimate import disk_of
from index_builder.survey import survey
from index_builder.update import AddOptions, add, compact, delete
from index_builder.verify import verify_index
from index_builder.windows import window_spans
from tests.fakes import HashEncoder, WordAnalyzer
from tests.kinds import kinds
from tests.small_index import PASSAGES, content, small_index, write_jsonl

ENCODER, ANALYZER = HashEncoder(), WordAnalyzer()
RULE = WindowRule(8, 3)
QUESTIONS = ["w3 w4", "w17", "capital of France", "w1 w2 w9", "서울은"]


def long_passages(count: int, first: int = 0) -> list[Passage]:
    """Return passages of 1 to 60 words, in sentences, most of them longer than a window."""
    random = np.random.default_rng(first)
    return [
        Passage(f"long{number}", " ".join(_sentences(random, int(random.integers(1, 12)))), f"title {number % 3}")
        for number in range(first, first + count)
    ]


def _sentences(random: np.random.Generator, count: int) -> Iterator[str]:
    for _ in range(count):
        words = " ".join(f"w{word}" for word in random.integers(0, 40, int(random.integers(1, 6))))
        yield f"{words.capitalize()} ."


MIXED = [*PASSAGES[:3], *long_passages(9), *PASSAGES[3:], *long_passages(5, first=20)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("windows") / "index"
    small_index(root, MIXED, windows=RULE)
    return root


def dense_hits(root: Path, questions: Sequence[str] = QUESTIONS, k: int = 6) -> list[list[Hit]]:
    return open_index(root, encoder=ENCODER, analyzer=ANALYZER).retriever("dense").search(questions, k)


def brute_force(passages: Iterable[Passage], question: str, rule: WindowRule, k: int) -> list[tuple[Any, ...]]:
    """Score every window of every passage, and return id, score and window of the best passages."""
    questions, scored = ENCODER.encode_questions([question])[0].astype(float), []
    for passage in passages:
        words = len(passage.text.split())
        spans = [(0, len(passage.text))]
        if words > 1.25 * rule.tokens:
            spans = chunk_spans(passage.text, rule.tokens, rule.overlap, lambda text: len(text.split()))
        texts = [Passage(passage.id, passage.text[start:end], passage.title) for start, end in spans]
        scores = np.einsum("nd,d->n", ENCODER.encode_passages(texts).astype(float), questions).astype(np.float32)
        window = PassageWindow(*spans[scores.argmax()]) if len(spans) > 1 else None
        scored.append((-float(scores.max()), passage.id, window))
    return [(name, -score, window) for score, name, window in sorted(scored, key=lambda item: item[:2])[:k]]


def seen(hits: Iterable[Hit]) -> list[tuple[Any, ...]]:
    return [(hit.passage_id, hit.score, hit.window) for hit in hits]


def test_a_passage_scores_as_its_best_window(published: Path) -> None:
    for k in (1, 4, len(MIXED) + 3):
        for question, hits in zip(QUESTIONS, dense_hits(published, k=k), strict=True):
            assert seen(hits) == brute_force(MIXED, question, RULE, k)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_windows(kind: str, tmp_path: Path) -> None:
    manifest = small_index(tmp_path / "index", MIXED, windows=RULE, dense=DenseOptions(kind))
    assert manifest.vectors > manifest.passages == len(MIXED)
    for question, hits in zip(QUESTIONS, dense_hits(tmp_path / "index"), strict=True):
        assert seen(hits) == brute_force(MIXED, question, RULE, 6)
    verify_index(tmp_path / "index", ANALYZER)


def test_the_hybrid_says_which_window_the_dense_list_matched(published: Path) -> None:
    index = open_index(published, encoder=ENCODER, analyzer=ANALYZER)
    for question in QUESTIONS:
        windows = {hit.passage_id: hit.window for hit in index.retriever("dense").search([question], 20)[0]}
        hits = index.retriever("hybrid").search([question], 20)[0]
        assert [hit.window for hit in hits] == [windows[hit.passage_id] for hit in hits]
        assert any(hit.window for hit in hits)
        assert all(hit.window is None for hit in index.retriever("bm25").search([question], 20)[0])


def test_changes_give_the_scores_and_compaction_the_files_of_a_fresh_build(published: Path, tmp_path: Path) -> None:
    root, added = tmp_path / "index", long_passages(6, first=40)
    small_index(root, MIXED, windows=RULE)
    add(AddOptions(sources=(write_jsonl(tmp_path / "more.jsonl", added),), index=root), ENCODER, ANALYZER)
    delete(root, ["long2", "long41", "paris"], ANALYZER)
    left = [passage for passage in [*MIXED, *added] if passage.id not in ("long2", "long41", "paris")]
    for question, hits in zip(QUESTIONS, dense_hits(root, k=30), strict=True):
        assert seen(hits) == brute_force(left, question, RULE, 30)
    verify_index(root, ANALYZER)
    add(
        AddOptions(sources=(write_jsonl(tmp_path / "last.jsonl", [Passage("last", "w1 " * 40)]),), index=root),
        ENCODER,
        ANALYZER,
    )
    delete(root, ["last"], ANALYZER)
    assert compact(root, ANALYZER).windows == RULE
    small_index(tmp_path / "fresh", left, windows=RULE)
    compacted, fresh = (_segment(folder) for folder in (root, tmp_path / "fresh"))
    assert compacted == fresh
    verify_index(root, ANALYZER)


def _segment(root: Path) -> dict[str, bytes]:
    """Return the files of the published segment, by their names in its folder."""
    folder = f"segments/{read_current(root).segments[0].id}/"
    return {name.removeprefix(folder): data for name, data in content(root).items() if name.startswith(folder)}


def test_a_stopped_build_goes_on_to_the_same_files(published: Path, tmp_path: Path) -> None:
    class Stopping(HashEncoder):
        def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_index(tmp_path / "index", MIXED, Stopping(), windows=RULE)
    assert list(tmp_path.glob("index/segments/.building-*/windows.npy"))
    small_index(tmp_path / "index", MIXED, windows=RULE)
    assert _segment(tmp_path / "index") == _segment(published)


def test_an_index_without_long_passages_is_as_one_without_windows(tmp_path: Path) -> None:
    with_rule = small_index(tmp_path / "on")
    without = small_index(tmp_path / "off", windows=None)
    assert _segment(tmp_path / "on") == _segment(tmp_path / "off")
    assert (with_rule.windows, without.windows) == (WindowRule(100, 25), None)
    assert with_rule.vectors == without.vectors == len(PASSAGES)
    assert small_index(tmp_path / "sparse", encoder=None).vectors == 0


def test_without_windows_each_passage_is_one_vector(tmp_path: Path) -> None:
    manifest = small_index(tmp_path / "index", MIXED, windows=None)
    assert manifest.vectors == len(MIXED)
    assert all(hit.window is None for hits in dense_hits(tmp_path / "index") for hit in hits)


def test_alike_windows_are_encoded_once(tmp_path: Path) -> None:
    class Counting(HashEncoder):
        texts = 0

        def encode_passages(self, passages: Sequence[Passage], progress: Progress = no_progress) -> FloatArray:
            self.texts += len(passages)
            return super().encode_passages(passages, progress)

    sentences = [f"A{position} b c d e f g." for position in range(4)]
    passages = [Passage("first", " ".join(sentences)), Passage("second", " ".join([*sentences[:3], "New f g."]))]
    encoder = Counting()
    manifest = small_index(tmp_path / "index", passages, encoder, windows=WindowRule(8, 0))
    assert (manifest.vectors, encoder.texts) == (8, 5)


class Reading(HashEncoder):
    """Reads twelve words of a passage's title and text."""

    passage_tokens = 12

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def text_tokens(self, passages: Sequence[Passage]) -> list[TokensRead]:
        totals = [(self.count_tokens(passage.title), self.count_tokens(passage.text)) for passage in passages]
        return [TokensRead(min(text, 12 - title), text) for title, text in totals]

    def encode_and_measure(self, passages: Sequence[Passage], progress: Progress = no_progress) -> EncodedPassages:
        is_cut = np.array([tokens.read < tokens.total for tokens in self.text_tokens(passages)])
        return EncodedPassages(self.encode_passages(passages, progress), is_cut)


@pytest.mark.parametrize(
    ("words", "title", "windows"),
    [
        (10, "", [10]),  # up to 1.25 times a window is one vector
        (11, "", [8, 5]),  # 8 words, of which the next has 2 again
        (20, "", [8, 8, 8]),
        (9, "one two three four", [8, 3]),  # the encoder reads 8 beside the title, and 9 are too many
        (30, "a b c d e", [30]),  # 7 tokens beside the title are too few for a window: it is cut
    ],
)
def test_what_is_long_and_how_it_is_cut(words: int, title: str, windows: list[int]) -> None:
    text = " ".join(f"w{position}" for position in range(words))
    [spans] = window_spans([Passage("p", text, title)], WindowRule(8, 2), Reading())
    assert [len(text[start:end].split()) for start, end in spans] == windows


def test_no_passage_in_windows_is_cut_and_the_others_are_counted(tmp_path: Path) -> None:
    passages = [Passage("long", "word " * 50), Passage("titled", "word " * 30, "t " * 6), Passage("short", "word")]
    on, off = (small_index(tmp_path / name, passages, Reading(), windows=rule) for name, rule in _rules())
    assert (on.segments[0].cut, off.segments[0].cut) == (1, 2)


def _rules() -> list[tuple[str, WindowRule | None]]:
    return [("on", WindowRule(8, 2)), ("off", None)]


@pytest.mark.parametrize(
    ("column", "value", "cause"),
    [(1, -1, "do not follow"), (2, 1_000_000, "ends after its passage"), (0, 0, "does not give each passage")],
)
def test_verify_finds_damaged_windows(column: int, value: int, cause: str, published: Path, tmp_path: Path) -> None:
    from index_builder.verify import verify_resources

    small_index(tmp_path / "index", MIXED, windows=RULE)
    [path] = tmp_path.glob("index/segments/*/windows.npy")
    windows = np.load(path)
    windows[-1, column] = value
    np.save(path, windows)
    with pytest.raises(IndexFormatError, match=cause):
        verify_resources(open_index(tmp_path / "index", ENCODER, analyzer=ANALYZER, verify="sizes").resources)


def test_an_index_of_the_format_before_windows_is_refused(published: Path, tmp_path: Path) -> None:
    small_index(tmp_path / "index")
    path = tmp_path / "index" / "generations" / "000001.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(signed(document | {"format_version": 5})), encoding="utf-8")
    with pytest.raises(IndexFormatError, match="version 5, but this program reads versions 6 and 7; rebuild"):
        open_index(tmp_path / "index")


def test_the_estimate_counts_windows(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl", MIXED)
    manifest = small_index(tmp_path / "index", MIXED, windows=RULE)
    told = survey([source], ANALYZER, ENCODER, windows=RULE)
    assert told.vectors == pytest.approx(manifest.vectors / manifest.passages)
    real = sum(record.size_bytes for name, record in manifest.files.items() if "vectors" in name or "windows" in name)
    assert disk_of(told, len(MIXED), 32, EXACT)["vectors"] == pytest.approx(real, abs=300)  # two headers
    assert survey([source], ANALYZER, ENCODER).vectors == 1


def options(tmp_path: Path, **changes: Any) -> BuildOptions:
    return BuildOptions(sources=(write_jsonl(tmp_path / "corpus.jsonl"),), output=tmp_path / "index", **changes)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: WindowRule(4, 1), "a window of 4 tokens is too short; choose at least 8"),
        (lambda _: WindowRule(20, 20), "the overlap of windows is 20 tokens; choose 0 or more, and fewer than the 20"),
        (
            lambda path: options(path, dense=DenseOptions(vectors_file="v.npy"), windows=WindowRule(20, 5)),
            "vectors are one for each",
        ),
        (
            lambda path: options(path, dense=DenseOptions(vectors_file="v.npy"), windows=WindowRule()),
            "vectors are one for each",
        ),
        (
            lambda path: build(options(path, windows=WindowRule()), Reading(), ANALYZER),
            "a window of 100 tokens is longer than the 12 that hash-encoder reads; choose at most 12",
        ),
        (
            lambda path: build(options(path, windows=WindowRule(20, 5)), Reading(), ANALYZER),
            "a window of 20 tokens is longer than the 12 that hash-encoder reads; choose at most 12",
        ),
    ],
)
def test_windows_that_cannot_be_are_refused(make: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make(tmp_path)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = 0
    try:
        cli.app(arguments, standalone_mode=False)
    except ConfigError as error:
        code = error.exit_code if hasattr(error, "exit_code") else 2
        return code, None, str(error)
    return code, json.loads(capsys.readouterr().out), ""


def test_the_commands_take_windows_and_tell_what_they_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_command, "_load_encoder", lambda *_: ENCODER)
    source, index = write_jsonl(tmp_path / "corpus.jsonl", MIXED), str(tmp_path / "index")
    build_it = ("build", "--corpus", source, "--output", index, "--analyzer", "words", "--json")
    _, told, _ = command(capsys, *build_it, "--window-tokens", "8", "--window-overlap", "3")
    manifest: Manifest = read_current(tmp_path / "index")
    assert manifest.windows == RULE
    assert told["vectors"] == manifest.vectors
    assert told["vectors_per_passage"] == round(manifest.vectors / len(MIXED), 2)
    assert (told["window_tokens"], told["window_overlap"]) == (8, 3)
    _, told, _ = command(capsys, *build_it, "--window-tokens", "9")
    assert (told["window_tokens"], told["window_overlap"]) == (9, 2)
    _, told, _ = command(capsys, *build_it, "--windows", "off")
    assert (told["vectors"], told["vectors_per_passage"], told["window_tokens"]) == (len(MIXED), 1.0, None)
    assert command(capsys, *build_it, "--windows", "none")[2] == "--windows is 'none'; choose on or off"
    assert "leave --window-tokens" in command(capsys, *build_it, "--windows", "off", "--window-tokens", "9")[2]


@pytest.mark.parametrize("chosen", [("--windows", "on"), ("--window-tokens", "200"), ("--window-overlap", "50")])
@pytest.mark.parametrize(
    ("other", "cause"),
    [(("--vectors", "v.npy"), "--vectors gives each passage its one"), (("--no-dense",), "--no-dense makes no")],
)
def test_windows_of_no_vectors_are_refused_even_as_they_are_by_default(
    chosen: tuple[str, str], other: tuple[str, ...], cause: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_jsonl(tmp_path / "corpus.jsonl")
    build_it = ("build", "--corpus", source, "--output", str(tmp_path / "index"))
    assert command(capsys, *build_it, *other, *chosen)[2].startswith(cause)
    if "--no-dense" in other:
        assert command(capsys, "estimate", "--corpus", source, *other, *chosen)[2].startswith(cause)
    assert not (tmp_path / "index").exists()


def test_a_character_of_more_tokens_than_a_window_is_no_reason_to_fail() -> None:
    class Letters(Reading):
        def count_tokens(self, text: str) -> int:
            return len(text) + 20 * text.count("﷽")

    text = "a b ﷽ ﷽﷽ c" + " d" * 20
    [spans] = window_spans([Passage("p", text)], WindowRule(8, 2), Letters())
    assert [text[start:end] for start, end in spans][:4] == ["a b", "﷽", "﷽", "﷽"]
