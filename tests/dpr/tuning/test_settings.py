"""Settings chosen by cross-validation: a real gain is taken, and chance is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dpr.cli import app
from dpr.errors import RequestError
from dpr.search.open import OpenIndex, open_index
from dpr.search.reranking import RerankOptions
from dpr.search.reweighed import reweighed_bm25
from dpr.tuning.cross_validation import choose_setting
from dpr.tuning.settings import SettingsOptions, fusion_of, tune_settings
from dpr.types import Example, Passage, Question
from index_builder.sparse import Bm25Options
from index_builder.update import delete
from tests.fakes import HashEncoder, WordAnalyzer
from tests.small_index import PASSAGES, small_index

SETTINGS = [{"k1": 1.2}, {"k1": 0.9}, {"k1": 2.0}]


def test_a_real_gain_is_taken() -> None:
    generator = np.random.default_rng(1)
    base = generator.random(200) * 0.5
    values = [base, base + 0.2 + generator.random(200) * 0.1, base - 0.1]
    stage, selected = choose_setting("bm25", SETTINGS, lambda number: values[number], np.arange(200), 5)
    assert (selected, stage.selected, stage.keeps_default, stage.folds, stage.tried) == (1, {"k1": 0.9}, False, 5, 3)
    assert stage.held_out is not None
    assert stage.held_out.interval.low > 0.2
    assert stage.sentence.startswith("bm25: k1 0.9 in place of k1 1.2; choosing is worth +2")


def test_chance_keeps_the_default() -> None:
    generator = np.random.default_rng(2)
    values = generator.integers(0, 2, (3, 60)).astype(float)
    values[2] = values[0]
    values[2, :1] = 1.0
    stage, selected = choose_setting("bm25", SETTINGS, lambda number: values[number], np.arange(60), 5)
    assert selected == 0
    assert stage.keeps_default
    assert "keep k1 1.2" in stage.sentence


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 8))
def test_the_gain_is_that_of_settings_which_did_not_see_the_fold(seed: int, folds: int, documents: int) -> None:
    generator = np.random.default_rng(seed)
    values, groups = generator.random((3, 24)), generator.integers(0, documents, 24)
    groups = np.unique(groups, return_inverse=True)[1]
    stage, _ = choose_setting("bm25", SETTINGS, lambda number: values[number], groups, folds)
    if groups.max() == 0:
        assert (stage.folds, stage.held_out, stage.selected) == (0, None, stage.default)
        return
    assert stage.folds == min(folds, len(np.unique(groups)))
    assert stage.held_out is not None
    assert stage.held_out.mean <= (values.max(axis=0) - values[0]).mean() + 1e-9
    if stage.best == stage.default:
        assert stage.keeps_default


def test_without_a_fold_to_hold_out_the_default_stays_and_the_reason_is_told() -> None:
    stage, selected = choose_setting("bm25", SETTINGS, lambda number: np.array([number / 3]), np.zeros(1, np.int64), 5)
    assert (selected, stage.best, stage.selected) == (0, {"k1": 2.0}, {"k1": 1.2})
    assert stage.sentence == (
        "bm25: keep k1 1.2; with questions of a single document, no fold could be held out to tell what another "
        "setting is worth"
    )
    assert stage.as_json()["held_out"] is None


def opened(root: Path, rerank: RerankOptions | None = None) -> OpenIndex:
    return open_index(root, encoder=HashEncoder(), analyzer=WordAnalyzer(), rerank=rerank)


def test_bm25_of_an_open_index_equals_that_of_a_rebuilt_one(tmp_path: Path) -> None:
    small_index(tmp_path / "first")
    small_index(tmp_path / "other", bm25=Bm25Options(k1=0.6, b=0.3))
    questions = ["the capital of France", "a dish of Korea", "서울은"]
    for _ in range(2):
        ours = reweighed_bm25(opened(tmp_path / "first").resources, 0.6, 0.3).search(questions, 6)
        theirs = opened(tmp_path / "other").retriever("bm25").search(questions, 6)
        assert [[(hit.passage_id, hit.score) for hit in hits] for hits in ours] == [
            [(hit.passage_id, hit.score) for hit in hits] for hits in theirs
        ]
        for name in ("first", "other"):
            if opened(tmp_path / name).passages.row_of("rome") is not None:
                delete(tmp_path / name, ["rome"], WordAnalyzer())


MANY = [Passage(f"p{number:02}", f"{number} {number % 7} {number % 5} word", f"t{number % 9}") for number in range(60)]
EXAMPLES = [Example(Question(f"q{p.id}", p.text), (p,)) for p in MANY]


def test_all_stages_of_an_index(tmp_path: Path) -> None:
    from dpr.search.registry import RERANKERS
    from tests import toy_reranker

    small_index(tmp_path / "index", MANY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RERANKERS, toy_reranker.KIND, toy_reranker.ENTRY)
        index = opened(tmp_path / "index", RerankOptions("longest:any", 5))
        stages = tune_settings(index, EXAMPLES, SettingsOptions())
    assert [stage.name for stage in stages] == ["bm25", "fusion", "rerank"]
    assert [stage.tried for stage in stages] == [25, 67, 5]
    assert stages[0].default == {"k1": 1.2, "b": 0.75}
    assert stages[1].default == {"method": "zscore", "dense": 0.25, "depth": 100.0}
    assert fusion_of({"method": "rrf", "dense": 0.3, "depth": 200.0}, index.fusion) == replace(
        index.fusion, method="rrf", weights={"dense": 0.3, "bm25": 0.7}, depth=200
    )
    assert stages[2].best == {"depth": 0.0}  # a reranker by length can only harm
    with pytest.raises(RequestError, match="the depth of reranking is tuned with a reranker; set one with --rerank"):
        tune_settings(opened(tmp_path / "index"), EXAMPLES, SettingsOptions(("rerank",)))


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"stages": ()}, "the settings to tune are none; name some of bm25, fusion, rerank in order"),
        ({"stages": ("fusion", "bm25")}, "the settings to tune are fusion, bm25"),
        ({"folds": 1}, "folds is 1; settings are chosen by 2 folds or more"),
        ({"objective": "mrr@101"}, "mrr@101 is deeper than the 100 hits"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], cause: str) -> None:
    with pytest.raises(RequestError, match=cause):
        SettingsOptions(**options)  # type: ignore[arg-type]


def test_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpr.search.resources.analyzer_by_name", lambda _name: WordAnalyzer())
    monkeypatch.setattr("dpr.search.resources._load_encoder", lambda *_: HashEncoder())
    small_index(tmp_path / "index", PASSAGES)
    contexts = [{"title": p.title, "text": p.text, "passage_id": p.id} for p in PASSAGES]
    rows = [{"question": c["text"], "answers": [], "positive_ctxs": [c], "negative_ctxs": []} for c in contexts]
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([{**row, "hard_negative_ctxs": []} for row in rows]), encoding="utf-8")
    command = ["tune", "--index", str(tmp_path / "index"), "--questions", f"dpr:{path}", "--settings", "bm25,fusion"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.exception
    assert "bm25: keep k1 1.2, b 0.75; it is the best" in shown.output
    document = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [stage["keeps_default"] for stage in document["stages"]] == [True, True]
