from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dpr.errors import ConfigError
from dpr.models.checkpoint import load_tokenizer
from dpr.reader.extractive.compute import Inputs, openvino_compute, torch_compute
from dpr.reader.extractive.model import ReaderNetwork, load_reader_model
from dpr.reader.extractive.reader import load_reader
from dpr.types import Candidates, Passage
from tests.tiny_models import make_reader


def windows(seed: int, count: int, width: int) -> Inputs:
    random = np.random.default_rng(seed)
    lengths = random.integers(3, width + 1, count)
    return {
        "input_ids": random.integers(5, 200, (count, width)),
        "attention_mask": (np.arange(width) < lengths[:, None]).astype(np.int64),
        "token_type_ids": random.integers(0, 2, (count, width)),
    }


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "with a relevance head"])
def network(
    request: pytest.FixtureRequest, tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> ReaderNetwork:
    folder = make_reader(tiny_checkpoint, tmp_path_factory.mktemp("compute") / "reader", relevance_head=request.param)
    network, _, _ = load_reader_model(folder)
    assert load_tokenizer(folder)
    return network


def test_openvino_computes_what_torch_does(network: ReaderNetwork) -> None:
    by_torch, by_openvino = torch_compute(network, torch.float32), openvino_compute(network, torch.float32)
    for seed, (count, width) in enumerate([(1, 4), (3, 40), (2, 17)]):
        inputs = {name: array for name, array in windows(seed, count, width).items() if name in network.input_names}
        expected, found = by_torch.logits(inputs), by_openvino.logits(inputs)
        seen = inputs["attention_mask"] == 1
        for side in ("starts", "ends"):
            np.testing.assert_allclose(getattr(found, side)[seen], getattr(expected, side)[seen], atol=1e-4)
        np.testing.assert_allclose(found.relevance, expected.relevance, atol=1e-4)
        assert (expected.relevance != 0).any() == (network.relevance is not None)


def test_both_backends_read_the_same_answers(tiny_reader: Path) -> None:
    item = Candidates("who was it?", (Passage("p", "it was the king of all"), Passage("q", "왕이 있었다")), (1.0, 0.0))
    found = [load_reader(tiny_reader, "fp32", backend=name).read([item], 3)[0] for name in ("torch", "openvino")]
    answers = [[(answer.passage_id, answer.start, answer.end) for answer in reading.answers] for reading in found]
    assert answers[0] == answers[1] != []


def test_an_unknown_backend_is_refused(tiny_reader: Path) -> None:
    with pytest.raises(ConfigError, match="unknown backend 'onnx'; choose auto, torch, openvino"):
        load_reader(tiny_reader, backend="onnx")
