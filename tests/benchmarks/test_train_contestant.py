from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

from benchmarks.train_contestant import Clock, Contest, read_pairs, run_ours, timed_batches, work_of
from dpr.errors import ConfigError
from dpr.train.batches import Source
from dpr.train.chunks import TokenCache
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.settings import Training

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def contest(tiny_checkpoint: Path, demo_files: tuple[Path, Path]) -> Contest:
    return Contest(
        system="ours",
        data=f"squad:{demo_files[0]}",
        pairs=32,
        model=str(tiny_checkpoint),
        batch_size=8,
        question_tokens=24,
        passage_tokens=64,
        precision="fp32",
    )


def test_ours_takes_the_steps_of_one_epoch_and_leaves_the_warm_up_out(contest: Contest) -> None:
    report = run_ours(contest, read_pairs(contest))
    assert report["steps"] >= 3
    assert 16 < report["questions"] <= 24
    assert report["passages"] < report["questions"]
    assert report["wall_s"] > 0
    assert report["cpu_s"] > 0
    assert report["memory_mib"] > 100


def test_without_sharing_every_question_has_a_passage_of_its_own(contest: Contest) -> None:
    alone = replace(contest, shares_passages=False, settings={"questions_per_passage": 1, "document_passages": 1})
    report = run_ours(alone, read_pairs(alone))
    assert report["passages"] == report["questions"] == 24
    assert [one.positives[0].text for one in read_pairs(alone)] == [
        one.positives[0].text for one in read_pairs(contest)
    ]


def test_a_loaded_process_takes_no_step(contest: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.train_contestant.train", None)
    assert set(run_ours(replace(contest, takes_steps=False), read_pairs(contest))) == {"memory_mib"}


def test_operations_are_those_of_the_layers_and_of_attention(contest: Contest) -> None:
    examples = read_pairs(replace(contest, pairs=2))
    training = Training(base=contest.model, question_tokens=24, passage_tokens=64)
    pair = make_pair(training)
    source = Source("pairs", examples)
    tokens = TokenCache(pair.tokenizers, pair.question.config, [source])
    batches = timed_batches(replace(training, batch_size=2, document_passages=8), [source], 0)
    lengths = [len(one) for batch in batches for one in (*tokens.questions(batch), *tokens.passages(batch))]
    model = BertModel(BertConfig.from_pretrained(contest.model))
    weights = sum(weight.numel() for weight in model.encoder.parameters())
    work = work_of(contest.model, tokens, batches)
    assert work["tokens"] == sum(lengths)
    assert work["operations"] == sum(6 * weights * length + 12 * 2 * 32 * length**2 for length in lengths)


def test_too_few_pairs_are_refused(contest: Contest) -> None:
    with pytest.raises(ConfigError, match="282 pairs, not 400"):
        read_pairs(replace(contest, pairs=400))


@pytest.mark.parametrize("warm_up", [2, 3])
def test_a_clock_needs_a_step_after_the_warm_up(warm_up: int) -> None:
    clock = Clock()
    clock.tick()
    clock.tick()
    with pytest.raises(ConfigError, match="give more pairs"):
        clock.since(warm_up)
    assert clock.since(1)[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize("gradient_cache", [False, True])
def test_the_other_system_runs(contest: Contest, gradient_cache: bool, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    keys = {name: getattr(contest, name) for name in contest.__slots__}
    keys |= {"system": "sentence-transformers", "precision": "bf16", "gradient_cache": gradient_cache}
    result = tmp_path / "result.json"
    command = [sys.executable, "-P", "benchmarks/train_contestant.py", json.dumps(keys), str(result)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    report = json.loads(result.read_text(encoding="utf-8"))
    assert report["steps"] == 3
    assert report["questions"] == report["passages"] == 24
