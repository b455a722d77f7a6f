"""What other readers say of the training windows, as targets between right and wrong (Hinton et al. 2015).

Several readers are surer together than each alone, and where a label tells one span, they tell which others would do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from dpr.durable import replacing
from dpr.models.tokens import length_sorted_batches
from dpr.reader.extractive.model import ReaderConfig
from dpr.reader.extractive.reader import load_windows_reader
from dpr.reader.extractive.windows import Window, pad_windows
from dpr.train.distributed import Processes
from dpr.train.reader.features import Feature, make_features
from dpr.types import Example, FloatArray, Progress

_FILE = "opinions"
_WINDOWS_AT_A_TIME = 2048


class Opinion(NamedTuple):
    """Where the teachers see the answer of a window: the shares of its T tokens, 0 for all that no teacher read."""

    starts: FloatArray
    ends: FloatArray


Opinions = Mapping[bytes, Opinion]
"""The teachers' opinions, by a window's tokens."""


def key_of(window: Window) -> bytes:
    """Return what a window's opinion is found by."""
    return window.ids.tobytes()


def kept_opinions(
    folder: Path, run: str, processes: Processes, ask: Callable[[int, int], dict[bytes, Opinion]]
) -> dict[bytes, Opinion]:
    """Return the opinions of a run, which are asked for once and kept in its folder.

    Each process asks, with its rank and their count, for its part, and then reads all parts.
    """
    stamp = f"{run} of {processes.count}"
    paths = [folder / f"{_FILE}-{rank}.safetensors" for rank in range(processes.count)]
    if read_opinions(paths[processes.rank], stamp) is None:
        save_opinions(paths[processes.rank], ask(processes.rank, processes.count), stamp)
    processes.wait()
    return {key: opinion for path in paths for key, opinion in (read_opinions(path, stamp) or {}).items()}


def forget_opinions(folder: Path) -> None:
    """Remove what `kept_opinions` kept."""
    for path in folder.glob(f"{_FILE}-*.safetensors"):
        path.unlink()


def ask_teachers(
    teachers: Sequence[str],
    features: Sequence[Feature],
    examples: Sequence[Example],
    config: ReaderConfig,
    progress: Progress,
    part: int = 0,
    parts: int = 1,
) -> dict[bytes, Opinion]:
    """Return the mean of the teachers' opinions of each window, for those windows that a teacher cuts as we do.

    Of ``parts`` parts of the windows, one is asked about.

    Raises:
        ModelError: a teacher cannot be loaded.
    """
    asked = set(sorted({key_of(feature.window) for feature in features})[part::parts])
    sums: dict[bytes, tuple[int, FloatArray]] = {}
    for number, name in enumerate(teachers):
        teacher = load_windows_reader(name)
        own = make_features(teacher.tokenizer, _distinct(examples), config)
        windows = list({key_of(feature.window): feature.window for feature in own}.items())
        shared = [(key, window) for key, window in windows if key in asked]
        for first in range(0, len(shared), _WINDOWS_AT_A_TIME):
            chunk = shared[first : first + _WINDOWS_AT_A_TIME]
            lengths = [len(window) for _, window in chunk]
            for rows in length_sorted_batches(lengths, teacher.compute.batch_tokens):
                batch = [chunk[row] for row in rows]
                inputs = pad_windows(
                    [window for _, window in batch], teacher.tokenizer.pad_token_id, teacher.compute.input_names
                )
                said = teacher.compute.logits(inputs)
                for place, (key, window) in enumerate(batch):
                    shares = np.stack([_shares(part[place], window) for part in (said.starts, said.ends)])
                    count, total = sums.get(key, (0, np.zeros_like(shares)))
                    sums[key] = count + 1, total + shares
            progress(f"teacher {number + 1}", min(len(shared), first + _WINDOWS_AT_A_TIME), len(shared))
    return {key: Opinion(*(total / count).astype(np.float32)) for key, (count, total) in sums.items()}


def save_opinions(path: Path, opinions: Opinions, run: str) -> None:
    """Write the opinions that a run asked for."""
    keys = sorted(opinions)
    arrays = {
        name: np.concatenate([[], *(getattr(opinions[key], name) for key in keys)]).astype(np.float16)
        for name in Opinion._fields
    }
    arrays["keys"] = np.frombuffer(b"".join(keys), dtype=np.int64)
    arrays["lengths"] = np.array([len(opinions[key].starts) for key in keys], dtype=np.int64)
    with replacing(path) as unfinished:
        save_file(arrays, unfinished, {"run": run})


def read_opinions(path: Path, run: str) -> dict[bytes, Opinion] | None:
    """Return the opinions that a run asked for; None where they are not there."""
    if not path.is_file():
        return None
    with safe_open(path, framework="np") as file:
        if (file.metadata() or {}).get("run") != run:
            return None
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    cuts = np.cumsum(arrays["lengths"])
    keys, starts, ends = (np.split(arrays[name], cuts)[:-1] for name in ("keys", *Opinion._fields))
    return {
        key.tobytes(): Opinion(start.astype(np.float32), end.astype(np.float32))
        for key, start, end in zip(keys, starts, ends, strict=True)
    }


def _distinct(examples: Iterable[Example]) -> list[Example]:
    """Return each pair of question and passage once."""
    return list({(example.question.text, example.positives[0].text): example for example in examples}.values())


def _shares(logits: FloatArray, window: Window) -> FloatArray:
    """Return the softmax of padded logits over a window's passage and [CLS], (T,)."""
    allowed = window.spans[:, 0] >= 0
    allowed[0] = True
    own = logits[: len(window)][allowed].astype(np.float64)
    shares = np.zeros(len(window), dtype=np.float32)
    shares[allowed] = np.exp(own - own.max()) / np.exp(own - own.max()).sum()
    return shares
