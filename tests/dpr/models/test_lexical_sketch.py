from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dpr.models.lexical_sketch import LexicalSketch

PIECES, STATES = 300, 8


def made(dimension: int = 64, learned: bool = False) -> LexicalSketch:
    drawn = torch.Generator().manual_seed(0)
    rarity = torch.rand(PIECES, generator=drawn) + 0.5
    rarity[:4] = 0  # special tokens
    module = LexicalSketch(rarity, STATES, dimension)
    if learned:
        torch.nn.init.normal_(module.importance.weight, generator=drawn)
    return module


def of_texts(module: LexicalSketch, *texts: list[int]) -> torch.Tensor:
    """The sketches of texts of token ids whose states are random, but the same for each text and place."""
    width = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts])
    states = torch.randn(width, STATES, generator=torch.Generator().manual_seed(1)).expand(len(texts), -1, -1)
    return module.sketch(states, ids, mask)


def by_hand(module: LexicalSketch, text: list[int], important: dict[int, float]) -> np.ndarray:
    """A text's weights over the vocabulary, (V,), of length 1."""
    weights = np.zeros(PIECES)
    for place, piece in enumerate(text):
        times = text.count(piece)
        weights[piece] += float(module.rarity[piece]) * important.get(place, 1.0) * math.log1p(times) / times
    return weights / np.linalg.norm(weights)


@pytest.mark.parametrize("learned", [False, True])
def test_inner_products_estimate_those_of_the_weighted_pieces(learned: bool) -> None:
    module = made(dimension=64 * 400, learned=learned)
    texts = [[1, 5, 6, 7, 6, 2], [1, 6, 8, 9, 2], [1, 250, 260, 2], [1, 6, 6, 6, 7, 5, 5, 9, 2]]
    states = torch.randn(9, STATES, generator=torch.Generator().manual_seed(1))
    important = dict(enumerate(module.importance(states).squeeze(-1).exp().tolist()))
    with torch.no_grad():
        sketches = of_texts(module, *texts).numpy()
    exact = np.stack([by_hand(module, text, important) for text in texts])
    # the standard deviation of an estimate is at most sqrt(2 / dimension), 0.009
    np.testing.assert_allclose(sketches @ sketches.T, exact @ exact.T, atol=0.04)


def test_padding_and_special_tokens_weigh_nothing() -> None:
    module = made(learned=True)
    alone = of_texts(module, [1, 5, 6, 2])[0]
    beside_a_longer_one = of_texts(module, [1, 5, 6, 2], [1, 7, 8, 9, 10, 11, 2])[0]
    torch.testing.assert_close(alone, beside_a_longer_one)
    torch.testing.assert_close(of_texts(module, [3, 5, 6, 3])[0], alone)


def test_a_text_without_words_has_an_empty_sketch() -> None:
    assert not of_texts(made(), [1, 2]).any()


def test_a_piece_keeps_its_signs_when_the_vocabulary_grows() -> None:
    larger = LexicalSketch(torch.ones(PIECES + 50), STATES, 64)
    torch.testing.assert_close(larger.signs[:PIECES], made().signs)
    assert set(larger.signs.unique().tolist()) == {-1, 1}


def test_both_halves_count_alike() -> None:
    module = made()
    features = {
        "sentence_embedding": torch.full((1, STATES), 7.0),
        "token_embeddings": torch.ones(1, 4, STATES),
        "input_ids": torch.tensor([[1, 5, 6, 2]]),
        "attention_mask": torch.ones(1, 4, dtype=torch.int64),
    }
    vector = module(features)["sentence_embedding"][0]
    assert len(vector) == STATES + 64
    torch.testing.assert_close(vector[:STATES].norm(), torch.tensor(1.0))
    torch.testing.assert_close(vector[STATES:].norm(), torch.tensor(1.0))


def test_importance_is_learned() -> None:
    module = made()
    similar = (of_texts(module, [1, 5, 6, 2])[0] * of_texts(module, [1, 5, 9, 2])[0]).sum()
    similar.backward()
    assert module.importance.weight.grad is not None
    assert module.importance.weight.grad.abs().sum() > 0
