"""The options of ``dpr-index``, each with its help text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpr.config import AUTO_COMPUTE, DEFAULT_ENCODER, ComputeOptions
from dpr.data.passages import KINDS as DATA_KINDS
from dpr.data.rows import listed_formats
from dpr.dense.index_types import AUTO, EXACT, listed_index_types, listed_parameters
from dpr.documents.formats import FORMATS as DOCUMENT_FORMATS
from dpr.documents.limits import DEFAULT_LIMITS
from dpr.errors import ConfigError
from dpr.metadata import FIELD_TYPE_NAMES
from dpr.store.windows import DEFAULT_WINDOWS, WindowRule
from dpr.types import EncoderOptions
from dpr.unicode_form import composed

Index = Annotated[Path, typer.Argument(metavar="INDEX", help="Folder of the index.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


Corpus = Annotated[
    list[str],
    typer.Option(
        metavar="SOURCE",
        help=f"A file with rows ({listed_formats()}) or a document ({', '.join(DOCUMENT_FORMATS)}), also .gz and "
        f".zst; a folder with all of them below it; a pattern; kind:PATH ({', '.join(DATA_KINDS)}); an address (s3://, "
        "gs://, https://); or rows from standard input (-, csv:-, tsv:-, parquet:-). Repeatable.",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(metavar="NAME", help="Encoding of the sources: utf-8, cp949, utf-16 or another that Python knows."),
]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Skip rows that cannot be read; name some and count them.")
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME:TYPE",
        help=f"The type of a further field of the rows: {', '.join(FIELD_TYPE_NAMES)}; repeatable.",
        show_default="inferred from its values",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Read only files of a folder that a pattern matches, '*.pdf'; repeatable."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Leave out files of a folder that a pattern matches, 'old/*'; repeatable."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse documents that cannot be read, instead of skipping and counting them.")
]
DocumentLimit = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NUMBER",
        help="What a document may take: mib (of its file), seconds, memory_mib; repeatable.",
        show_default=", ".join(f"{name}={number}" for name, number in asdict(DEFAULT_LIMITS).items()),
    ),
]
Precision = Annotated[str, typer.Option(help="Arithmetic of the encoder: auto, fp32 or bf16.")]
Backend = Annotated[
    str, typer.Option(help="What runs the encoder: auto (OpenVINO on a CPU, if installed), torch or openvino.")
]
MovedEncoder = Annotated[
    str | None,
    typer.Option(metavar="NAME_OR_DIR", help="The index's encoder, if it moved: its new folder or hub name."),
]

Output = Annotated[Path, typer.Option(metavar="INDEX", help="Folder of the index; created where there is none.")]
EncoderName = Annotated[str, typer.Option(metavar="NAME_OR_DIR", help="The encoder of passages and questions.")]
QuestionPrompt = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Text to put before every question.", show_default="the encoder's own"),
]
PassagePrompt = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Text to put before every passage.", show_default="the encoder's own"),
]
Dimension = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Keep the first N numbers of a vector (Matryoshka encoders).")
]
NoDense = Annotated[bool, typer.Option("--no-dense", help="A sparse index only, without an encoder.")]
Vectors = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Precomputed vectors of the passages: .npy, or FILE.parquet:COLUMN."),
]
Splade = Annotated[
    str | None,
    typer.Option(
        metavar="NAME_OR_DIR", help="A SPLADE model: passages also get its weighted terms, for the retriever splade."
    ),
]
Colbert = Annotated[
    str | None,
    typer.Option(
        metavar="NAME_OR_DIR", help="A ColBERT model: passages also get its token vectors, for the retriever colbert."
    ),
]
AnalyzerName = Annotated[
    str, typer.Option(metavar="NAME", help="Text analyzer: ko-en, korean, english, words or ngram.")
]
DEFAULT_KIND = EXACT.name
DenseKind = Annotated[
    str,
    typer.Option(metavar="KIND", help=f"Index type: {listed_index_types()}, or {AUTO}: see --target-recall."),
]
EstimatedKind = Annotated[str, typer.Option(metavar="KIND", help=f"Index type: {listed_index_types()}.")]
EstimatedDimension = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Vectors of N numbers, as with --dimension of build; no encoder is loaded, and its time is not estimated.",
    ),
]
EstimatedPassages = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Number of passages, if the sources are only a sample."),
]
DenseParameter = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help=f"A parameter of the index type; repeatable. {listed_parameters()}"),
]
TargetRecall = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Choose the fastest search (auto: and index type) that finds this share of the nearest."
    ),
]
Questions = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE", help="kind:PATH of questions that must reach --target-recall, too; repeatable."),
]
BM25Variant = Annotated[str, typer.Option(metavar="NAME", help="Formula of BM25: lucene or okapi.")]
K1 = Annotated[float, typer.Option(min=0.0, metavar="NUMBER", help="BM25: how slowly a repeated term saturates.")]
B = Annotated[float, typer.Option(min=0.0, max=1.0, metavar="NUMBER", help="BM25: how much a passage's length counts.")]
ChunkTokens = Annotated[
    str | None,
    typer.Option(
        metavar="N|none",
        help="Cut all texts into passages of at most N tokens; none: cut nothing.",
        show_default="documents to what the encoder reads, rows not",
    ),
]
OverlapTokens = Annotated[
    int, typer.Option(min=0, metavar="N", help="Tokens that a passage repeats from the one before.")
]
Windows = Annotated[
    str | None,
    typer.Option(
        metavar="on|off",
        help="Whether long passages are encoded in windows; off: only their beginning is.",
        show_default="on",
    ),
]
WindowTokens = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Tokens of a window; a passage is long with 1.25 times as many.",
        show_default=str(DEFAULT_WINDOWS.tokens),
    ),
]
WindowOverlap = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Tokens that a window repeats from the one before.", show_default="a quarter of a window"
    ),
]
Runner = Annotated[str, typer.Option(metavar="local|ray", help="What encodes passages and counts their terms.")]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The head of a Ray cluster that this machine is a node of.",
        show_default="Ray is started on this machine",
    ),
]
RayStorage = Annotated[
    str | None,
    typer.Option(
        metavar="PATH_OR_URI",
        help="Folder that all nodes share, such as s3://bucket/folder, for unfinished work.",
        show_default="in INDEX",
    ),
]
RayActors = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Number of workers.", show_default="one per GPU, or per CPU but one"),
]
RayTimeout = Annotated[
    float | None,
    typer.Option(
        min=1.0, metavar="SECONDS", help="Give up when no shard was finished for so long.", show_default="1800"
    ),
]


def parse_windows(
    choice: str | None, tokens: int | None, overlap: int | None, *, no_dense: bool = False, vectors: str | None = None
) -> WindowRule | None:
    """Return the rule for windows that was chosen; None if there are to be none, or can be none.

    Raises:
        ConfigError: the choice is unknown, a number is out of range, or a size is given without windows.
    """
    if choice not in ("on", "off", None):
        raise ConfigError(f"--windows is {choice!r}; choose on or off")
    if no_dense or vectors is not None:
        if choice == "on" or tokens is not None or overlap is not None:
            why = "--no-dense makes no vectors" if no_dense else "--vectors gives each passage its one vector"
            raise ConfigError(f"{why}, so nothing is cut into windows; leave the options of windows out")
        return None
    if choice == "off":
        if tokens is not None or overlap is not None:
            raise ConfigError("--windows is off, and their size is given; leave --window-tokens and -overlap out")
        return None
    if tokens is None and overlap is None:
        return DEFAULT_WINDOWS
    size = DEFAULT_WINDOWS.tokens if tokens is None else tokens
    return WindowRule(size, size // 4 if overlap is None else overlap)


def parse_fields(settings: Sequence[str]) -> dict[str, str]:
    """Return the types of fields, each written as ``NAME:TYPE``.

    Raises:
        ConfigError: one has another form.
    """
    fields = {}
    for setting in settings:
        name, _, type_name = setting.rpartition(":")
        if not name or not type_name:
            raise ConfigError(f"{setting!r} is not the type of a field; write NAME:TYPE, such as published:date")
        fields[composed(name)] = type_name
    return fields


def learned_models(splade: str | None, colbert: str | None) -> dict[str, str]:
    """Return the model of each learned list that was chosen, by the list's name."""
    return {name: model for name, model in (("splade", splade), ("colbert", colbert)) if model is not None}


def refuse_unused(
    reason: str | None,
    encoder: str,
    compute: ComputeOptions,
    learned: Mapping[str, str],
    encoder_options: EncoderOptions | None = None,
) -> None:
    """Refuse options of models that are not loaded; ``reason`` is the option that uses no encoder, if there is one.

    Raises:
        ConfigError: an encoder is named, or it is said how it encodes or how models compute, and there is none.
    """
    if reason is None:
        return
    if encoder != DEFAULT_ENCODER:
        raise ConfigError(f"{reason} uses no encoder, but --encoder is {encoder!r}; leave one of them out")
    if encoder_options not in (None, EncoderOptions()):
        raise ConfigError(f"{reason} uses no encoder, but a prompt or a dimension is set; leave it out")
    if compute != AUTO_COMPUTE and not learned:
        raise ConfigError(f"{reason} uses no encoder, but --precision or --backend is set; leave it out")


def parse_parameters(settings: Sequence[str]) -> dict[str, int]:
    """Return the parameters, each written as ``NAME=NUMBER``.

    Raises:
        ConfigError: a parameter has another form.
    """
    parameters = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        if not name or not number.isdecimal():
            raise ConfigError(
                f"{setting!r} is not a parameter of an index type; write NAME=NUMBER, such as ef_search=128"
            )
        parameters[name] = int(number)
    return parameters
