from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dpr.dense.index_type import BuildSpeed
from dpr.dense.index_types import EXACT, index_type_of
from dpr.errors import ConfigError, DataError
from dpr.store.generation import read_current
from dpr.types import Passage
from index_builder.dense import DenseOptions
from index_builder.estimate import Speeds, check_memory, disk_of, estimate, measure_speeds
from index_builder.survey import Survey, survey
from tests.fakes import HashEncoder, WordAnalyzer
from tests.kinds import kinds
from tests.small_index import small_index, write_jsonl

SPEEDS = Speeds(hashed=1e9, build=BuildSpeed(operations_per_s=1e11, trial_vectors=3000, trial_s=3.0))
HNSW = index_type_of("hnsw")


def zipf_passages(count: int, first: int = 0) -> list[Passage]:
    random = np.random.default_rng(first + 1)
    shares = 1 / np.arange(1, 20_001)
    words = random.choice(20_000, (count, 40), p=shares / shares.sum())
    return [
        Passage(f"p{first + row}", " ".join(f"w{word}" for word in line), f"title {row % 9}")
        for row, line in enumerate(words.tolist())
    ]


@pytest.fixture(scope="module")
def actual(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    source = write_jsonl(tmp_path_factory.mktemp("survey") / "part.jsonl", zipf_passages(2500))
    return survey([source], WordAnalyzer(), HashEncoder())


def test_a_survey_counts_all_and_measures_some(actual: Survey) -> None:
    assert (actual.passages, actual.analysed, actual.dimension) == (2500, 2000, 32)
    assert actual.terms == pytest.approx(42, abs=0.1)
    assert 25 < actual.postings < 42
    assert 0.4 < actual.growth < 0.9
    assert actual.encoded_per_s is not None
    assert min(actual.read_per_s, actual.analysed_per_s, actual.encoded_per_s) > 0


class SlowToStart(WordAnalyzer):
    """Takes a thousand seconds when it is first asked, and half a second for each text."""

    seconds = 0.0

    def batch(self, texts: Iterable[str]) -> Iterator[list[str]]:
        if not self.seconds:
            self.seconds = 1000.0
        for text in texts:
            self.seconds += 0.5
            yield self.terms(text)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_loaded_once_is_not_counted_for_each_passage(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyzer = SlowToStart()
    ticks = iter(np.arange(100) * 1e-9)
    clock = SimpleNamespace(perf_counter=lambda: analyzer.seconds + next(ticks))
    monkeypatch.setattr("index_builder.survey.time", clock)
    actual = survey([write_jsonl(tmp_path / "few.jsonl", zipf_passages(count))], analyzer, None)
    assert actual.analysed == count
    assert actual.analysed_per_s == pytest.approx(2.0)


@pytest.mark.parametrize("kind", kinds())
def test_the_disk_is_that_of_a_real_build_within_a_fifth(kind: str, actual: Survey, tmp_path: Path) -> None:
    """From 2,500 passages to 6,000: the whole, and each kind of file that is large."""
    small_index(tmp_path / "index", zipf_passages(6000, first=7), dense=DenseOptions(kind))
    manifest = read_current(tmp_path / "index")
    real = {
        "passages": sum(record.size_bytes for name, record in manifest.files.items() if name.endswith(".arrow")),
        "vectors": sum(record.size_bytes for name, record in manifest.files.items() if "vectors" in name),
        "dense": sum(record.size_bytes for name, record in manifest.files.items() if "dense" in name),
    }
    real["sparse"] = manifest.size_bytes - sum(real.values())
    told = disk_of(actual, 6000, 32, index_type_of(kind))
    assert {name: size for name, size in told.items() if size} == pytest.approx(
        {name: size for name, size in real.items() if size}, rel=0.2
    )


def test_an_index_without_vectors_takes_none(actual: Survey) -> None:
    told = estimate(actual, EXACT, SPEEDS, passages=10_000, dimension=None)
    assert told.dimension == 32
    sparse = estimate(replace(actual, dimension=None, encoded_per_s=None), EXACT, SPEEDS)
    assert sparse.disk.keys() == {"passages", "sparse"}
    assert "encode" not in sparse.seconds


def test_time_grows_with_the_passages(actual: Survey) -> None:
    """A graph of a million took 16 and 21 times as long as one of a hundred thousand, in two runs."""
    counts = (10_000, 100_000, 1_000_000)
    of_known_speed = replace(actual, encoded_per_s=1000.0)
    small, middle, large = (estimate(of_known_speed, HNSW, SPEEDS, passages=count) for count in counts)
    assert [each.seconds["encode"] for each in (small, middle, large)] == [10, 100, 1000]
    assert middle.seconds["dense"] / small.seconds["dense"] == pytest.approx(12.5, rel=0.05)
    assert large.seconds["dense"] / middle.seconds["dense"] == pytest.approx(20.5, rel=0.05)
    assert large.building_memory > middle.building_memory > small.building_memory


def test_the_time_of_an_unknown_encoder_is_not_told(actual: Survey) -> None:
    told = estimate(actual, EXACT, SPEEDS, passages=21_000_000, dimension=768)
    assert "encode" not in told.seconds
    assert told.disk["vectors"] == 21_000_000 * 768 * 4


def test_what_cannot_fit_is_refused() -> None:
    check_memory(EXACT, 10**12, 768)
    check_memory(HNSW, 1000, 768)
    with pytest.raises(
        ConfigError,
        match=r"'hnsw' over 1,000,000,000 vectors of dimension 768 takes .*; choose one that fits: flat",
    ):
        check_memory(HNSW, 10**9, 768)
    assert index_type_of("ivf-pq").memory_bytes(10**6, 384) < HNSW.memory_bytes(10**6, 384) / 2


def test_this_machine_does_something_in_a_second() -> None:
    speeds = measure_speeds(index_type_of("hnsw", {"m": 8}), 32)
    assert min(speeds.hashed, speeds.build.operations_per_s, speeds.build.trial_s) > 0


def test_nothing_to_look_at_is_refused() -> None:
    with pytest.raises(DataError, match="no source to look at"):
        survey([], WordAnalyzer(), None)
