from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dpr.models.cross_encoder import CrossEncoder, load_cross_encoder
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.train.distillation import teacher as teacher_module
from dpr.train.distillation.teacher import PASSAGE, QUESTION, RoleText, teacher_scores, teacher_vectors
from dpr.types import FloatArray, Passage, no_progress
from tests.tiny_models import make_cross_encoder

TEXTS = [
    RoleText(QUESTION if number % 3 == 0 else PASSAGE, f"text number {number}", "A title" if number % 3 == 1 else "")
    for number in range(8)
]
PAIRS = [(f"question {number}", Passage(str(number), f"passage {number}")) for number in range(7)]


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


def kill(stage: str, done: int, total: int | None) -> None:
    if done == 6:
        raise Killed


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_module, "_BLOCK", 3)


@pytest.fixture(scope="module")
def dual(tiny_checkpoint: Path) -> DualEncoder:
    return load_encoder(tiny_checkpoint, "fp32")


@pytest.fixture(scope="module")
def cross(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    return load_cross_encoder(make_cross_encoder(tiny_checkpoint, tmp_path_factory.mktemp("cross")), "fp32")


def test_vectors_are_the_teachers_in_each_role(dual: DualEncoder, tmp_path: Path) -> None:
    vectors = teacher_vectors(dual, TEXTS, tmp_path, no_progress)
    for row, text in enumerate(TEXTS):
        passage = Passage("", text.text, text.title)
        alone = dual.encode_questions([text.text]) if text.role == QUESTION else dual.encode_passages([passage])
        np.testing.assert_allclose(vectors[row], alone[0], atol=1e-6)


def test_vectors_are_computed_once(dual: DualEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = teacher_vectors(dual, TEXTS, tmp_path, no_progress)
    monkeypatch.setattr(DualEncoder, "encode_passages", None)
    np.testing.assert_array_equal(teacher_vectors(dual, TEXTS, tmp_path, no_progress), first)
    with pytest.raises(TypeError):
        teacher_vectors(dual, TEXTS[1:], tmp_path, no_progress)


@pytest.mark.parametrize(
    ("torn_bytes", "blocks_done"),
    [(0, [8]), (5, [6, 8]), (3 * 32 * 4 + 5, [3, 6, 8]), (2 * 3 * 32 * 4 + 5, [3, 6, 8])],
)
def test_unfinished_vectors_are_gone_on_with(
    torn_bytes: int, blocks_done: list[int], dual: DualEncoder, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = teacher_vectors(dual, TEXTS, tmp_path / "whole", no_progress)
    with pytest.raises(Killed):
        teacher_vectors(dual, TEXTS, tmp_path, kill)
    [path] = tmp_path.glob("teacher-*.npy")
    path.write_bytes(path.read_bytes()[: -torn_bytes or None])
    seen: list[int] = []
    again = teacher_vectors(dual, TEXTS, tmp_path, lambda _, done, __: seen.append(done))
    np.testing.assert_array_equal(again, whole)
    assert seen == blocks_done


def test_scores_are_computed_once_for_each_pair(
    cross: CrossEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = teacher_scores(cross, PAIRS[:4], tmp_path, no_progress)
    np.testing.assert_allclose(
        first, cross.score([pair[0] for pair in PAIRS[:4]], [pair[1] for pair in PAIRS[:4]]), atol=1e-6
    )
    score = CrossEncoder.score
    asked: list[str] = []

    def noted(self: CrossEncoder, questions: Sequence[str], passages: Sequence[Passage]) -> FloatArray:
        asked.extend(questions)
        return score(self, questions, passages)

    monkeypatch.setattr(CrossEncoder, "score", noted)
    np.testing.assert_array_equal(teacher_scores(cross, PAIRS, tmp_path, no_progress)[:4], first)
    assert asked == ["question 4", "question 5", "question 6"]


def test_scores_of_a_killed_run_are_kept(cross: CrossEncoder, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        teacher_scores(cross, PAIRS, tmp_path, kill)
    [path] = tmp_path.glob("teacher-*.jsonl")
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6
    with path.open("a", encoding="utf-8") as file:
        file.write('{"pair": "torn')
    scores = teacher_scores(cross, PAIRS, tmp_path, no_progress)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    np.testing.assert_array_equal(np.array([line["score"] for line in lines], dtype=np.float32), scores)
