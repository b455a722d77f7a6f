from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModel,
    BertModel,
    Qwen2Config,
    Qwen2Model,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from dpr.models.packing import PackedStates, Packer, Positions, positions_of, unpack

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=40)


def padded(lengths: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return texts whose tokens are all different, (N, T)."""
    ids = 10 + np.arange(len(lengths) * max(lengths)).reshape(len(lengths), -1)
    return np.where(np.arange(max(lengths)) < np.array(lengths)[:, None], ids, 0)


def packer(longest: int | None = None) -> Packer:
    return Packer(Positions(), pad_id=0, longest=longest)


@given(LENGTHS)
def test_each_text_stands_whole_in_one_row(lengths: list[int]) -> None:
    texts = padded(lengths)
    packed = Packer(Positions(), pad_id=1, longest=None).pack(texts, lengths)
    for number, ((row, start), length) in enumerate(zip(packed.origins, lengths, strict=True), start=1):
        cells = row, slice(start, start + length)
        np.testing.assert_array_equal(packed.input_ids[cells], texts[number - 1, :length])
        np.testing.assert_array_equal(packed.position_ids[cells], np.arange(length))
        assert (packed.segments[cells] == number).all()
    assert (packed.segments > 0).sum() == sum(lengths)
    assert (packed.input_ids[packed.segments == 0] == 1).all()


@given(LENGTHS)
def test_packed_texts_are_padded_no_more_than_one_in_each_row(lengths: list[int]) -> None:
    alone = [packer().pack(padded([length]), [length]).input_ids.size for length in lengths]
    assert packer().pack(padded(lengths), lengths).input_ids.size <= max(alone) * len(lengths) * 1.125


@given(LENGTHS)
def test_states_go_back_to_their_texts(lengths: list[int]) -> None:
    texts = padded(lengths)
    packed = packer().pack(texts, lengths)
    states = torch.from_numpy(packed.input_ids)[:, :, None].float()
    of_texts = unpack(states, packed.origins, texts.shape[1]).numpy()[:, :, 0]
    np.testing.assert_array_equal(of_texts[texts > 0], texts[texts > 0])


def test_a_batch_has_the_shape_of_the_last_one_where_that_costs_less() -> None:
    packing = packer()
    shapes = {packing.pack(padded([20] * count), [20] * count).input_ids.shape for count in (16, 15, 14)}
    assert len(shapes) == 1
    assert packing.pack(padded([20]), [20]).input_ids.size < 64


def test_a_row_has_no_more_columns_than_the_model_has_positions() -> None:
    assert packer(70).pack(padded([70]), [70]).input_ids.shape == (1, 70)
    assert packer(30).pack(padded([29, 29, 29]), [29, 29, 29]).input_ids.shape == (3, 30)


SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 200,
}


def test_a_bert_is_packed(tiny_checkpoint: Path) -> None:
    assert positions_of(BertModel.from_pretrained(tiny_checkpoint).eval()) == Positions()


def test_positions_of_a_roberta_begin_after_its_padding() -> None:
    config = RobertaConfig(**SIZES, pad_token_id=1, max_position_embeddings=40, initializer_range=0.3)
    assert positions_of(RobertaModel(config).eval()) == Positions(padding=1)
    assert Positions(padding=1).of_text(np.array([5, 1, 6])).tolist() == [2, 1, 3]


def test_a_model_without_positions_to_give_is_not_packed() -> None:
    config = T5Config(vocab_size=200, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
    assert positions_of(T5EncoderModel(config).eval()) is None


def test_a_model_whose_tokens_see_only_those_before_them_is_not_packed() -> None:
    config = Qwen2Config(**SIZES, num_key_value_heads=2, initializer_range=0.3)
    assert positions_of(Qwen2Model(config).eval()) is None


def test_packed_texts_have_the_states_that_they_have_alone(tiny_checkpoint: Path) -> None:
    model = AutoModel.from_pretrained(tiny_checkpoint).eval()
    lengths = [5, 21, 9, 30, 3, 17]
    texts = padded(lengths) % 200
    packed = packer(64).pack(texts, lengths)
    assert len(packed.input_ids) < len(lengths)
    with torch.inference_mode():
        arrays = (torch.from_numpy(array) for array in packed[:3])
        states = unpack(PackedStates(model)(*arrays), packed.origins, texts.shape[1])
        for text, length, found in zip(texts, lengths, states, strict=True):
            alone = model(input_ids=torch.from_numpy(text[None, :length])).last_hidden_state[0]
            torch.testing.assert_close(found[:length], alone, atol=1e-5, rtol=1e-4)
