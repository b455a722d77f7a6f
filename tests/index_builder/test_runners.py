from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dpr.types import Encoder, no_progress
from index_builder.encode import EncodeRunner, encode_locally
from index_builder.sparse import count_locally
from index_builder.vectors import PrecomputedVectors
from tests.conftest import ROOT
from tests.fakes import HashEncoder
from tests.index_builder.runner_contract import (
    MeasuringEncoder,
    check_count_runner,
    check_encode_runner,
    stored_passages,
)


@pytest.mark.parametrize("encoder", [HashEncoder(), MeasuringEncoder()])
def test_this_process_encodes(encoder: Encoder, tmp_path: Path) -> None:
    check_encode_runner(encode_locally, encoder, tmp_path)


def test_a_file_of_vectors_is_a_runner(tmp_path: Path) -> None:
    passages = stored_passages(tmp_path)
    vectors = HashEncoder().encode_passages(list(passages))
    np.save(tmp_path / "vectors.npy", vectors)
    rows = [np.array([0, 2]), np.array([5, 22])]
    run: EncodeRunner = PrecomputedVectors(str(tmp_path / "vectors.npy"))
    results = dict(run(passages, rows, HashEncoder(), no_progress))
    assert list(results) == [0, 1]
    for number, encoded in results.items():
        np.testing.assert_array_equal(encoded.vectors, vectors[rows[number]])


def test_this_process_counts_terms(tmp_path: Path) -> None:
    check_count_runner(count_locally, tmp_path)


def on_ray(folder: Path, *names: str) -> str:
    """Run checks of the program in a process of their own; return what it printed."""
    pytest.importorskip("ray", reason="needs the ray extra")
    program = Path(__file__).with_name("ray_program.py")
    command = [sys.executable, "-W", "ignore", str(program), str(folder), *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False, cwd=folder)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.ray
@pytest.mark.timeout(900)  # Ray starts a dozen processes
def test_ray_encodes_as_this_process_does(tmp_path: Path) -> None:
    on_ray(tmp_path, "encode")


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_ray_counts_terms_and_says_what_a_worker_lacks(tmp_path: Path) -> None:
    assert on_ray(tmp_path, "count", "absent") == (
        "a worker of Ray on this machine cannot import only_here; install on every node what is installed here, "
        "the extra ray included\n"
    )
