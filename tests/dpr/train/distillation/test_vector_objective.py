from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dpr.data.parallel import SentencePair
from dpr.errors import ConfigError
from dpr.models.encoders import load_encoder
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.settings import Distillation
from dpr.train.distillation.vector_objective import VectorObjective
from dpr.train.encoder.model import make_pair
from dpr.types import no_progress
from tests.tiny_models import make_bert

PAIRS = {"pairs": [SentencePair(f"pairs:{number}", f"word {number}", f"낱말 {number}") for number in range(5)]}


@pytest.mark.parametrize("shared", [True, False])
def test_both_sentences_are_measured_against_the_sources_vector(
    shared: bool, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    settings = Distillation(
        objective="parallel", teacher=str(tiny_checkpoint), base=str(tiny_checkpoint), shared=shared, batch_size=4
    )
    teacher = load_encoder(tiny_checkpoint, "fp32")
    objective = VectorObjective(
        DistillationData(pairs=PAIRS), teacher, make_pair(settings), settings, tmp_path, no_progress
    )
    batches = objective.batches(0)
    count = 10 if shared else 20  # separate encoders learn each text in both roles
    assert sorted(place for batch in batches for place in batch) == list(range(count))
    assert batches == objective.batches(0) != objective.batches(1)
    sources = {pair.id: pair.source for pair in PAIRS["pairs"]}
    for batch in batches:
        task = objective.task(batch)
        questions, passages = objective.texts(batch)
        assert len(questions) + len(passages) == len(batch) == len(task.ids)
        assert not (shared and questions)
        taught = torch.from_numpy(teacher.encode_questions([sources[identity] for identity in task.ids]))
        parts = taught.split([len(questions), len(passages)])
        np.testing.assert_allclose(task.losses(*parts), 0, atol=1e-6)
        assert task.losses(-parts[0], -parts[1]).min() == pytest.approx(4, abs=1e-4)


def test_another_dimension_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    base = make_bert(tiny_checkpoint, tmp_path / "small", 1, hidden_size=16)
    settings = Distillation(objective="parallel", teacher=str(tiny_checkpoint), base=str(base))
    teacher = load_encoder(tiny_checkpoint, "fp32")
    with pytest.raises(ConfigError, match=r"small has vectors of 16 numbers and the teacher .* of 32; choose a base"):
        VectorObjective(DistillationData(pairs=PAIRS), teacher, make_pair(settings), settings, tmp_path, no_progress)
