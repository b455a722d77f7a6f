"""The systems of ``dpr benchmark``: its indexes, an index that it builds itself, and runs of other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.config import ComputeOptions
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import ConfigError, IndexFormatError
from dpr.pipeline import RetrievalOptions
from dpr.search.registry import reranked_name

if TYPE_CHECKING:
    from dpr.search.contract import SearchableIndex
    from dpr.types import Progress

IndexesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        metavar="[NAME=]INDEX",
        help="Folder of an index; repeatable: the retrievers of a further one are NAME/dense, NAME/bm25, … "
        "Without one, an index of the questions' passages and --pool is built in the output folder.",
    ),
]
PoolOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE",
        help="Passages to search beside the questions' own, as distractors; repeatable. Not with --index.",
    ),
]
RunsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="[NAME=]FILE",
        help="A run of another program as one more system: TREC, or JSON or Parquet of ranx, pytrec_eval, BEIR.",
    ),
]


DEFAULT_RETRIEVERS = ("bm25", "tfidf", "dense", "hybrid")
"""What a benchmark compares by default, so far as the index has it."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How the indexes of a benchmark are opened.

    Attributes:
        encoder: where the encoder of the only index is, or the encoder to build one with; None: the recorded one.
        retrieval: the reranking.
        compute: how models compute.
        rules: how sources are read to build one.
    """

    encoder: str | None = None
    retrieval: RetrievalOptions = field(default_factory=RetrievalOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    rules: ReadRules = UTF8_RULES


def named(option: str, values: Sequence[str] | None, default: str = "") -> dict[str, Path]:
    """Return the paths of an option by their names; without a name, the default one, or that of the file.

    Raises:
        ConfigError: a name is empty, comes twice, or has a slash.
    """
    paths: dict[str, Path] = {}
    for value in values or ():
        name, equals, path = value.partition("=")
        if not equals or Path(value).exists():
            name, path = default if not paths and default else Path(value).stem, value
        if not name or "/" in name or name.split() != [name] or name in paths:
            cause = "comes twice" if name in paths else "is empty or has a slash or a blank"
            raise ConfigError(f"{option} {value!r}: the name {name!r} {cause}; write {option} NAME={path or 'PATH'}")
        paths[name] = Path(path)
    return paths


def open_indexes(
    indexes: Sequence[str] | None, opening: Opening, sources: Sequence[str], output: Path, progress: Progress
) -> tuple[SearchableIndex, tuple[str, ...]]:
    """Open the indexes of a benchmark; without any, build one of the sources in the output folder.

    Returns:
        The indexes as one, and the names of their retrievers in it.

    Raises:
        ConfigError: there are indexes and distractors, or several indexes and an encoder, or two indexes have different
            passages.
    """
    from dpr.benchmark.side_by_side import SideBySide
    from dpr.opening import open_qa

    if not indexes:
        root = build_pool(sources, output / "index", opening, progress)
        built = open_qa(root, reader=None, retrieval=opening.retrieval, compute=opening.compute).index
        return built, built.names
    if len(sources) > 1:
        raise ConfigError("--pool is for a benchmark that builds its index, and --index names one; leave one out")
    if opening.encoder is not None and len(indexes) > 1:
        raise ConfigError(
            f"--encoder {opening.encoder!r} is for one index, and there are {len(indexes)}; leave it out, so that each "
            "has the encoder of its record, or measure one index alone and add its run files to the others with --run"
        )
    opened = {
        name: open_qa(
            path, encoder=opening.encoder, reader=None, retrieval=opening.retrieval, compute=opening.compute
        ).index
        for name, path in named("--index", indexes, "first").items()
    }
    (_, first), *other_indexes = opened.items()
    names = *first.names, *(f"{other}/{name}" for other, index in other_indexes for name in index.names)
    return SideBySide(first, dict(other_indexes)) if other_indexes else first, names


def build_pool(sources: Sequence[str], root: Path, opening: Opening, progress: Progress) -> Path:
    """Build an index of sources, unless there is one of the same files, encoder and rules by the record beside it.

    Raises:
        DPRError: a source cannot be read, or the index cannot be built.
    """
    import dpr
    from dpr.config import DEFAULT_ENCODER
    from dpr.data.digests import file_digest
    from dpr.data.passages import files_of
    from dpr.durable import write_atomically

    encoder, rules = opening.encoder or DEFAULT_ENCODER, opening.rules
    made_of = {
        "sources": [[source, {str(file): file_digest(file) for file in files_of(source)}] for source in sources],
        "encoder": encoder,
        "encoding": rules.encoding,
        "skip_bad_rows": rules.skip_bad_rows,
    }
    record = root.with_name(f"{root.name}-sources.json")
    generation = _published(root)
    if generation and _read_json(record) == {"generation": generation, **made_of}:
        return root
    manifest = dpr.build_index(
        list(sources),
        root,
        encoder=encoder,
        options=dpr.IndexOptions(rules=rules),
        compute=opening.compute,
        progress=progress,
    )
    write_atomically(record, json.dumps({"generation": manifest.name, **made_of}, ensure_ascii=False, indent=2) + "\n")
    return root


def _published(root: Path) -> str:
    """Return the name of the published generation; empty if there is none."""
    from dpr.store.generation import read_current

    try:
        return read_current(root).name
    except IndexFormatError:
        return ""


def _read_json(path: Path) -> object:
    """Return the content of a file; None if it does not exist or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def systems_of(
    retrievers: str | None, available: Sequence[str], other_names: Sequence[str], *, is_reranked: bool
) -> list[str]:
    """Return the names of the systems: each retriever, one of each further index, and their reranked versions.

    ``retrievers`` None stands for those of `DEFAULT_RETRIEVERS` that are ``available`` in the first index. A further
    index takes part with its ``dense``, or with ``bm25`` if it has no vectors.
    """
    if retrievers is None:
        names = [name for name in DEFAULT_RETRIEVERS if name in available]
    else:
        names = [name.strip() for name in retrievers.split(",") if name.strip()]
    unnamed = [other for other in other_names if not any(name.startswith(f"{other}/") for name in names)]
    names += [f"{other}/{'dense' if f'{other}/dense' in available else 'bm25'}" for other in unnamed]
    if not is_reranked:
        return names
    return [
        name
        for first_stage in names
        for name in dict.fromkeys((first_stage, reranked_name(first_stage)))
        if name == first_stage or name not in names
    ]
