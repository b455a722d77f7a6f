from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dpr.train.chunks import Chunks
from dpr.train.encoder.memory import encoder_memory
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.settings import Training
from dpr.train.memory import saved_bytes, weight_bytes


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_the_estimate_is_what_all_chunks_of_the_largest_batch_keep(lora_rank: int, tiny_checkpoint: Path) -> None:
    pair = make_pair(Training(str(tiny_checkpoint), lora_rank=lora_rank, dropout=0.1))
    small = ([[2, 9, 3]] * 4, [[2, 9, 9, 3]] * 4)
    large = ([[2, 9, 9, 3]] * 16, [[2, *[9] * (10 + number), 3] for number in range(16)])
    before = torch.get_rng_state()
    memory = encoder_memory(pair, [small, large], 128)
    assert torch.equal(torch.get_rng_state(), before), "random numbers are drawn as if nothing had been measured"

    chunks = [
        encode for role, tokens in enumerate(large) for encode in Chunks(pair.both[role], tokens, 0, 128).encodes()
    ]
    kept = saved_bytes(lambda: torch.cat([encode() for encode in chunks]), pair.module())
    assert kept <= memory.batch <= 1.4 * kept
    assert memory.chunk < memory.batch / 3
    assert memory.weights == weight_bytes(pair.module())
