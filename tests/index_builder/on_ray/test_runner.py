"""The runner without a cluster: pieces are worked on in this process, and the last one first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from dpr.errors import ModelError
from index_builder.on_ray import runner as runner_module
from index_builder.on_ray.cluster import RayOptions
from index_builder.on_ray.runner import RayRunner
from index_builder.on_ray.work import PieceWorker, Work
from tests.fakes import WordAnalyzer
from tests.index_builder.runner_contract import (
    MeasuringEncoder,
    check_count_runner,
    check_encode_runner,
    stored_passages,
)


def work_here(pieces: Mapping[int, str], work: Work, location: str, options: RayOptions) -> Iterator[int]:
    """Work on pieces as an actor does; in place of `run_pieces`."""
    del options
    worker = PieceWorker(work, location)
    for position, name in reversed(list(pieces.items())):
        row = worker({"position": np.array([position]), "name": np.array([name])})
        if row["error"][0]:
            raise ModelError(row["error"][0])
        yield int(row["position"][0])


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RayRunner:
    monkeypatch.setattr(runner_module, "run_pieces", work_here)
    return RayRunner(RayOptions(storage=str(tmp_path / "pieces")), MeasuringEncoder, WordAnalyzer)


def pieces_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "pieces").rglob("*.parquet"))


def test_passages_are_encoded_and_nothing_stays_in_the_storage(runner: RayRunner, tmp_path: Path) -> None:
    check_encode_runner(runner.encode, MeasuringEncoder(), tmp_path)
    assert pieces_in(tmp_path) == []


def test_terms_are_counted_and_nothing_stays_in_the_storage(runner: RayRunner, tmp_path: Path) -> None:
    check_count_runner(runner.count, tmp_path)
    assert pieces_in(tmp_path) == []


def test_a_second_driver_uses_the_results_of_a_killed_one(
    runner: RayRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages, shards, encoder = stored_passages(tmp_path), [np.arange(4), np.arange(4, 9)], MeasuringEncoder()
    worked_on: list[str] = []

    def work_and_note(pieces: Mapping[int, str], work: Work, location: str, options: RayOptions) -> Iterator[int]:
        worked_on.extend(pieces.values())
        yield from work_here(pieces, work, location, options)

    first = runner.encode(passages, shards, encoder)
    assert next(first)[0] == 1
    del first  # killed while it held the result of the second shard, which is not removed
    assert len(pieces_in(tmp_path)) == 3
    monkeypatch.setattr(runner_module, "run_pieces", work_and_note)
    results = dict(runner.encode(passages, shards, encoder))
    assert list(results) == [1, 0]
    assert len(worked_on) == 1
    np.testing.assert_array_equal(results[0].vectors, encoder.encode_passages(passages.get(range(4))))
    assert pieces_in(tmp_path) == []
