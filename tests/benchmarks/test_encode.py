from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.encode import THEIRS, THEIRS_BF16, choose_texts, count_operations, mean_cosine, summary


def test_the_ratios_are_to_sentence_transformers_round_by_round() -> None:
    runs = {THEIRS: [4.0, 8.0, 6.0], THEIRS_BF16: [2.0, 4.0, 3.0], "ours": [1.0, 1.0, 2.0]}
    found = summary(runs, [10.0, 10.0, 10.0], {"passages": 12, "tokens": 60, "operations": 5.0})
    assert found["tokens_per_passage"] == 5
    assert found["systems"]["ours"]["ratio"] == {"median": 4.0, "low": 3.0, "high": 8.0}
    assert found["systems"]["ours"]["ratio_to_bf16"]["median"] == 2.0
    assert found["systems"]["ours"]["passages_per_s"]["median"] == 12.0
    assert found["systems"]["ours"]["share_of_peak"]["median"] == 0.5
    assert found["systems"][THEIRS]["ratio"]["median"] == 1.0


def test_texts_have_no_titles_and_are_spread_over_the_source(tmp_path: Path) -> None:
    source = tmp_path / "passages.jsonl"
    rows = [{"id": f"p{number}", "title": "title", "text": f"text {number}"} for number in range(9)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [(one.title, one.text) for one in choose_texts(str(source), 3)] == [("", f"text {n}") for n in (0, 4, 8)]
    with pytest.raises(SystemExit, match="has 9 passages, not 10"):
        choose_texts(str(source), 10)


def test_operations_are_those_of_the_matrix_products(tiny_checkpoint: Path, tmp_path: Path) -> None:
    source = tmp_path / "passages.jsonl"
    source.write_text(json.dumps({"id": "p", "text": "!!!"}) + "\n", encoding="utf-8")
    found = count_operations(str(tiny_checkpoint), choose_texts(str(source), 1))
    tokens, width, inner, layers = found["tokens"], 32, 64, 2
    projections = tokens * (4 * width * width + 2 * width * inner)
    attention = 2 * tokens * tokens * width  # queries by keys, and weights by values
    assert tokens == 5
    assert found["operations"] == 2 * layers * (projections + attention)


def test_the_cosine_does_not_see_lengths() -> None:
    exact = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    assert mean_cosine(3 * exact, exact) == pytest.approx(1)
    assert mean_cosine(exact[::-1], exact) == 0
