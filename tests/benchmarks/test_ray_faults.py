"""A build on two Ray nodes loses and doubles nothing when a worker, a node or the driver is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ray_faults import Plan, run_all, save_encoder, write_corpus


@pytest.mark.ray
@pytest.mark.timeout(1500)
def test_every_fault_ends_with_the_files_of_the_local_build(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the ray extra")
    write_corpus(tmp_path / "corpus.jsonl", 4000)
    save_encoder(tmp_path / "encoder")
    results = run_all(Plan(tmp_path / "corpus.jsonl", str(tmp_path / "encoder"), 128), tmp_path)
    del results["local"]
    assert list(results) == ["undisturbed", "worker killed", "node removed", "driver killed"]
    assert all(result["is_equal"] for result in results.values())
    for name in list(results)[1:]:
        assert results[name]["shards_before"] >= 1
