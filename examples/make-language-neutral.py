"""Copy an encoder so that its vectors tell less of the language of a text, by passages in two languages.

    python examples/make-language-neutral.py --encoder e5-small-ko-en --output runs/neutral \
        --first korquad:KorQuAD.json --first boolq:train.tsv --second squad:train.json --second qed:train.jsonl

A multilingual encoder finds a passage in the question's own language nearer than a better one in another. Most of that
lies in one direction, from the mean vector of the one language to that of the other (Yang et al. 2021, "A simple and
effective method to eliminate the self language bias in multilingual representations"). A Dense module after the pooling
takes this direction out; sentence-transformers reads it too. Of a pair, both encoders get it, by BERT_p's vectors.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dpr.data.passages import read_passages
from dpr.models.checkpoint import resolve
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.models.head import Dense
from dpr.models.pair import ROLES
from dpr.types import FloatArray

PASSAGES = 600
"""Passages of each source, spread evenly."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, metavar="NAME_OR_DIR", help="of sentence-transformers' form")
    for name in ("--first", "--second"):
        parser.add_argument(name, required=True, action="append", metavar="SOURCE", help="passages of a language")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder of the copy")
    options = parser.parse_args()
    encoder = load_encoder(options.encoder)
    direction = mean_vector(encoder, options.first) - mean_vector(encoder, options.second)
    direction /= np.linalg.norm(direction)
    without = torch.eye(len(direction)) - torch.from_numpy(np.outer(direction, direction))
    is_folder = Path(options.encoder).is_dir()
    shutil.copytree(options.encoder if is_folder else resolve(options.encoder), options.output)
    for folder in [options.output / role for role in ROLES if (options.output / role).is_dir()] or [options.output]:
        add_dense(folder, without)


def mean_vector(encoder: DualEncoder, sources: Sequence[str]) -> FloatArray:
    """Return the mean vector of passages, (D,)."""
    passages = []
    for source in sources:
        of_source = list(read_passages(source))
        passages += of_source[:: -(-len(of_source) // PASSAGES)]
    mean: FloatArray = encoder.encode_passages(passages).mean(axis=0)
    return mean


def add_dense(folder: Path, matrix: torch.Tensor) -> None:
    """Multiply vectors by a matrix (D, D) after the pooling, by a new Dense module or the one that is there."""
    path = folder / "modules.json"
    modules = json.loads(path.read_text(encoding="utf-8"))
    position = 1 + next(number for number, module in enumerate(modules) if module["type"].endswith(".Pooling"))
    if modules[position]["type"].endswith(".Dense"):
        dense = Dense.load(str(folder / modules[position]["path"]))
        dense.linear.weight.data = matrix @ dense.linear.weight.data
    else:
        dense = Dense(nn.Linear(len(matrix), len(matrix), bias=False))
        dense.linear.weight.data = matrix
        modules.insert(position, {"path": f"{position}_Dense", "type": "sentence_transformers.models.Dense"})
        (folder / f"{position}_Dense").mkdir()
    dense.save(str(folder / modules[position]["path"]))
    for number, module in enumerate(modules):
        name = module["path"].partition("_")[2]
        module |= {"idx": number, "name": str(number), "path": f"{number}_{name}" if name else ""}
    path.write_text(json.dumps(modules, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
