"""Recorded fusion: in the manifest of an index, and in the encoder's folder, where a build reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from dpr.config import BUNDLED_MODELS
from dpr.durable import write_atomically
from dpr.errors import DataError, RequestError
from dpr.search.fusion import Fusion
from dpr.search.registry import HYBRID_LISTS
from dpr.store.generation import rewrite_current
from dpr.store.manifest import FusionRecord, Manifest
from dpr.store.records import RecordError, decode
from dpr.store.shard import refuse_shard
from dpr.unicode_form import as_on_disk

DEFAULT_FUSION = Fusion("zscore", {"dense": 0.25, "bm25": 0.75}, coverage_power=2.0)
"""The fusion of an index without a recorded one: docs/decisions/0021-fusion-that-notices.md."""

FILE_NAME = "fusion.json"
"""The file in an encoder's folder."""

_PLAIN_WEIGHTS = {"coverage_power": Fusion().coverage_power, "rrf_constant": Fusion().rrf_constant}


def fusion_of(record: FusionRecord) -> Fusion:
    """Return the fusion of dense and BM25 in a record.

    Raises:
        RequestError: a value is out of range, or the weights are for other lists.
    """
    fusion = Fusion(record.method, record.weights, record.rrf_constant, record.coverage_power, record.depth)
    fusion.weights_for(HYBRID_LISTS)
    return fusion


def record_of(fusion: Fusion) -> FusionRecord:
    """Return the record of a fusion of dense and BM25.

    Raises:
        RequestError: the weights are for other lists.
    """
    weights = fusion.weights_for(HYBRID_LISTS)
    return FusionRecord(fusion.method, weights, fusion.coverage_power, fusion.rrf_constant, fusion.depth)


def write_fusion(path: Path, fusion: Fusion, fitted: Mapping[str, object]) -> None:
    """Write a fusion as JSON, with a description of the questions that it was fitted to.

    Raises:
        RequestError: the weights are for other lists than dense and BM25.
    """
    document = {**asdict(record_of(fusion)), "fitted": fitted}
    write_atomically(path, json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_fusion(path: Path) -> Fusion:
    """Read the fusion of a file that `write_fusion` wrote, or that someone wrote by hand.

    A file with only a method and weights means the same as ``--fusion`` and ``--weight``: no coverage power.

    Raises:
        DataError: the file does not exist or has another form, or a value is out of range.
    """
    path = as_on_disk(path)
    if not path.is_file():
        raise DataError.at(path, None, "the file does not exist; write one with dpr tune --output")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(document, dict):
            document.pop("fitted", None)
            document = _PLAIN_WEIGHTS | document
        return fusion_of(decode(FusionRecord, document))
    except RequestError as error:
        raise DataError.at(path, None, str(error)) from None
    except (RecordError, ValueError, OverflowError, RecursionError) as error:
        raise DataError.at(path, None, f"it is not a file of dpr tune --output ({error}); write it again") from None


def fusion_of_encoder(name: str) -> Fusion | None:
    """Return the fusion in an encoder's folder; None if there is none, or the encoder is not a folder.

    Raises:
        DataError: the file cannot be used.
    """
    folders = (folder for folder in (Path(name), BUNDLED_MODELS / name) if folder.is_dir())
    path = next(folders, Path(name)) / FILE_NAME
    return read_fusion(path) if path.is_file() else None


def save_fusion(root: Path, fusion: Fusion) -> None:
    """Record a fusion in the published generation of an index, as the default of every later search.

    Raises:
        RequestError: the weights are for other lists than dense and BM25.
        ConfigError: the index is a shard.
        IndexFormatError: there is no published index.
        IndexLockedError: another process is writing the index.
    """
    record = record_of(fusion)

    def with_fusion(manifest: Manifest) -> Manifest:
        refuse_shard(manifest.shard)
        return replace(manifest, fusion=record)

    rewrite_current(root, with_fusion)
