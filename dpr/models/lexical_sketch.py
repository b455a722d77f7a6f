"""The words of a text in a few hundred numbers, beside the meaning that a BERT makes of it.

A BERT's vector is good at what a text says and poor at which words say it: names, numbers, words seen seldom in
training. Here a vector's second part is a random projection of the text's WordPieces (Achlioptas 2003,
"Database-friendly random projections"): each piece has a fixed row of signs, and a text is the weighted sum of its
pieces' rows, so that the inner product of two sketches is about the weight of the pieces that both texts have. A piece
weighs what its rarity says, times what one learned direction of its token state says of it in this text. Joining a
lexical and a semantic vector is due to SPAR (Chen et al. 2022, "Salient phrase aware dense retrieval") and Aggretriever
(Lin et al. 2023).

This file needs torch, numpy and safetensors only: it lies beside checkpoints, for sentence-transformers to load.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SEED = 0


class LexicalSketch(nn.Module):
    """Appends a text's sketch to its pooled vector, each of length 1; a module as sentence-transformers has them."""

    def __init__(self, rarity: torch.Tensor, states: int, dimension: int) -> None:
        """Make the module with the learned part doing nothing yet.

        Args:
            rarity: what each piece of the vocabulary weighs, (V,); special tokens 0.
            states: the width of a token state, D.
            dimension: the length S of a sketch, a multiple of 64.
        """
        super().__init__()
        self.rarity: torch.Tensor
        self.signs: torch.Tensor
        self.dimension = dimension
        self.register_buffer("rarity", rarity.float())
        self.register_buffer("signs", _signs(len(rarity), dimension), persistent=False)
        self.importance = nn.Linear(states, 1, bias=False)
        nn.init.zeros_(self.importance.weight)

    def forward(self, features: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the features with the sentence embedding (N, D) made (N, D + S)."""
        with torch.autocast(features["input_ids"].device.type, enabled=False):
            pooled = nn.functional.normalize(features["sentence_embedding"].float(), dim=-1)
            sketch = self.sketch(features["token_embeddings"], features["input_ids"], features["attention_mask"])
            return {**features, "sentence_embedding": torch.cat([pooled, sketch], dim=-1)}

    def sketch(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return sketches (N, S) of token states (N, T, D), token ids (N, T) and their mask (N, T)."""
        weights = self.rarity[ids] * mask * self.importance(states.float()).squeeze(-1).exp()  # (N, T)
        times = (ids.unsqueeze(2) == ids.unsqueeze(1)).sum(2)  # (N, T) how often the piece comes in its text
        weights = weights * times.log1p() / times
        summed = torch.bmm(weights.unsqueeze(1), self.signs[ids].float()).squeeze(1)
        return nn.functional.normalize(summed, dim=-1)

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the module to a folder."""
        from safetensors.torch import save_file

        folder = Path(output_path)
        sizes = {"pieces": len(self.rarity), "states": self.importance.in_features, "dimension": self.dimension}
        (folder / "config.json").write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
        save_file(self.state_dict(), folder / "model.safetensors")

    @classmethod
    def load(cls, input_path: str) -> LexicalSketch:
        """Read what `save` wrote."""
        from safetensors.torch import load_file

        folder = Path(input_path)
        sizes = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        module = cls(torch.zeros(sizes["pieces"]), sizes["states"], sizes["dimension"])
        module.load_state_dict(load_file(folder / "model.safetensors"))
        return module


def _signs(pieces: int, dimension: int) -> torch.Tensor:
    """Return +1 and -1 at random, (V, S) int8; a piece's row is the same however many follow it."""
    bits = np.random.PCG64(SEED).random_raw(pieces * dimension // 64).astype("<u8").view(np.uint8)
    rows = np.unpackbits(bits).reshape(pieces, dimension).astype(np.int8)
    return torch.from_numpy(rows * 2 - 1)
