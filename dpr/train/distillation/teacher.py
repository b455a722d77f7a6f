"""Soft labels: a teacher's vectors or scores, computed once and stored in the output folder for a resumed run."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dpr.models.cross_encoder import CrossEncoder
from dpr.models.encoders import DualEncoder
from dpr.types import FloatArray, Passage, Progress

QUESTION, PASSAGE = 0, 1
"""The roles of a text: BERT_q encodes it, or BERT_p."""

_BLOCK = 2048
"""Number of texts that are encoded and written together."""


@dataclass(frozen=True, slots=True)
class RoleText:
    """A text and its role, which says which encoder reads it; the id is for messages and not compared."""

    role: int
    text: str
    title: str = ""
    id: str = field(default="", compare=False)

    @classmethod
    def from_passage(cls, role: int, passage: Passage) -> RoleText:
        """Return a passage in a role; as a question it has no title."""
        return cls(role, passage.text, passage.title if role == PASSAGE else "", passage.id)

    @property
    def passage(self) -> Passage:
        """The text as a passage."""
        return Passage(self.id, self.text, self.title)


def teacher_vectors(teacher: DualEncoder, texts: Sequence[RoleText], folder: Path, progress: Progress) -> FloatArray:
    """Return the teacher's vectors of texts, (N, D), mapped from ``folder/teacher-….npy``.

    The file grows block by block; an unfinished file of a killed run is continued.
    """
    path = folder / f"teacher-{_identity(teacher, texts)}.npy"
    header = _npy_header((len(texts), teacher.dimension))
    block_bytes = 4 * teacher.dimension * _BLOCK
    with path.open("r+b" if path.exists() else "w+b") as file:
        written_bytes = os.fstat(file.fileno()).st_size - len(header)
        if written_bytes < 4 * teacher.dimension * len(texts):
            blocks = max(0, written_bytes // block_bytes)
            file.seek(0)
            file.write(header)
            file.truncate(len(header) + blocks * block_bytes)
            file.seek(0, os.SEEK_END)
            for first in range(blocks * _BLOCK, len(texts), _BLOCK):
                block = texts[first : first + _BLOCK]
                file.write(_encode(teacher, block).astype("<f4").tobytes())
                file.flush()
                os.fsync(file.fileno())
                progress("teacher", first + len(block), len(texts))
    vectors: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return vectors


def teacher_scores(
    teacher: CrossEncoder, pairs: Sequence[tuple[str, Passage]], folder: Path, progress: Progress
) -> FloatArray:
    """Return the teacher's score of each question with a passage, (N,).

    They are stored in ``folder/teacher-….jsonl``, a line for each pair, so that later runs need not compute them again.
    """
    path = folder / f"teacher-{teacher.fingerprint[:16]}-{str(teacher.precision).removeprefix('torch.')}.jsonl"
    score_of = _read_scores(path)
    keys = [_pair_key(question, passage) for question, passage in pairs]
    unscored = [row for row, key in enumerate(keys) if key not in score_of]
    with path.open("a", encoding="utf-8") as file:
        for first in range(0, len(unscored), _BLOCK):
            rows = unscored[first : first + _BLOCK]
            scores = teacher.score([pairs[row][0] for row in rows], [pairs[row][1] for row in rows])
            for row, score in zip(rows, scores.tolist(), strict=True):
                score_of[keys[row]] = score
                file.write(json.dumps({"pair": keys[row], "score": score}) + "\n")
            file.flush()
            os.fsync(file.fileno())
            progress("teacher", first + len(rows), len(unscored))
    return np.array([score_of[key] for key in keys], dtype=np.float32)


def _encode(teacher: DualEncoder, texts: Sequence[RoleText]) -> FloatArray:
    vectors = np.empty((len(texts), teacher.dimension), dtype=np.float32)
    questions = [row for row, text in enumerate(texts) if text.role == QUESTION]
    passages = [row for row, text in enumerate(texts) if text.role == PASSAGE]
    vectors[questions] = teacher.encode_questions([texts[row].text for row in questions])
    vectors[passages] = teacher.encode_passages([texts[row].passage for row in passages])
    return vectors


def _identity(teacher: DualEncoder, texts: Sequence[RoleText]) -> str:
    digest = hashlib.sha256(f"{teacher.fingerprint} {teacher.precision} {_BLOCK}\n".encode())
    for text in texts:
        digest.update(f"{text.role}\0{text.title}\0{text.text}\0".encode())
    return digest.hexdigest()[:16]


def _npy_header(shape: tuple[int, int]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _pair_key(question: str, passage: Passage) -> str:
    text = f"{question}\0{passage.title}\0{passage.text}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _read_scores(path: Path) -> dict[str, float]:
    """Return the scores of a file, and remove an incomplete last line."""
    if not path.is_file():
        return {}
    complete, _, broken = path.read_bytes().rpartition(b"\n")
    if broken:
        os.truncate(path, len(complete) + 1 if complete else 0)
    lines = [json.loads(line) for line in complete.splitlines()]
    return {line["pair"]: line["score"] for line in lines}
