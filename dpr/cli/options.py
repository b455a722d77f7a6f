"""Options of several commands, and the printing of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dpr.config import DEFAULT_BASE, DEFAULT_READER
from dpr.console import cell, escape, print_json
from dpr.errors import ConfigError
from dpr.reader.registry import READERS
from dpr.search.registry import DEFAULT_RERANK_DEPTH, MAX_RERANK_DEPTH, RERANKERS, RETRIEVERS, describe

if TYPE_CHECKING:
    from dpr.search.fusion import Fusion
    from dpr.search.reranking import RerankOptions
    from dpr.train.batches import Source
    from dpr.types import Example

IndexOption = Annotated[Path, typer.Option("--index", metavar="INDEX", help="Folder of the index.")]
DataOption = Annotated[list[str], typer.Option("--data", metavar="SOURCE", help="kind:PATH of questions; repeatable.")]
RetrieverOption = Annotated[str, typer.Option("--retriever", metavar="NAME", help=f"{describe(RETRIEVERS)}.")]
DefaultRetrieverOption = Annotated[
    str | None,
    typer.Option(
        "--retriever",
        metavar="NAME",
        help=f"{describe(RETRIEVERS)}.",
        show_default="hybrid, or bm25 if the index has no vectors",
    ),
]
RerankOption = Annotated[
    str | None,
    typer.Option(
        "--rerank",
        metavar="MODEL",
        help="Rescore the first hits by a cross-encoder, a folder or hub name, or another TYPE:MODEL: "
        f"{describe(RERANKERS)}.",
    ),
]
RerankDepthOption = Annotated[
    int | None,
    typer.Option(
        help=f"How many hits --rerank rescores, 1 to {MAX_RERANK_DEPTH}.", show_default=str(DEFAULT_RERANK_DEPTH)
    ),
]
FusionOption = Annotated[
    str | None, typer.Option("--fusion", metavar="METHOD", help="How hybrid fuses: zscore, minmax, raw or rrf.")
]
WeightOption = Annotated[
    list[str] | None, typer.Option("--weight", metavar="LIST=NUMBER", help="A list's weight in the fusion; repeatable.")
]
FusionDepthOption = Annotated[
    int | None,
    typer.Option(
        "--fusion-depth",
        metavar="N",
        help="How many candidates of each list are fused, with --fusion or --weight.",
        show_default="100",
    ),
]
FusionFileOption = Annotated[
    Path | None,
    typer.Option("--fusion-file", metavar="FILE", help="How hybrid fuses, as dpr tune --output wrote it."),
]
FilterOption = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="TEXT",
        help="Search only passages with these fields: 'category = \"news\" and year > 2023'.",
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder", metavar="NAME_OR_DIR", help="The index's encoder, if it moved: its new folder or hub name."
    ),
]
ReaderOption = Annotated[
    str,
    typer.Option(
        "--reader",
        metavar="NAME_OR_DIR",
        help=f"The reader, or KIND:MODEL with a kind of reader: {describe(READERS)}.",
        show_default=DEFAULT_READER.name,
    ),
]
PrecisionOption = Annotated[str, typer.Option("--precision", help="Arithmetic of the models: auto, fp32 or bf16.")]
DataWeightOption = Annotated[
    list[float] | None, typer.Option(metavar="NUMBER", help="How often an epoch uses each question; once per --data.")
]
ValidateOption = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE", help="kind:PATH of held-out questions to choose the weights by; repeatable."),
]
BaseOption = Annotated[
    str | None, typer.Option(metavar="NAME_OR_DIR", help="The encoder to start from.", show_default=DEFAULT_BASE)
]
QuestionPromptOption = Annotated[
    str | None,
    typer.Option(
        "--question-prompt",
        metavar="TEXT",
        help="Text to put before every question.",
        show_default="the encoder's own",
    ),
]
PassagePromptOption = Annotated[
    str | None,
    typer.Option(
        "--passage-prompt",
        metavar="TEXT",
        help="Text to put before every passage.",
        show_default="the encoder's own",
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options here override it.")
]
BackendOption = Annotated[
    str,
    typer.Option("--backend", help="What runs the models: auto (OpenVINO on a CPU, if installed), torch or openvino."),
]
MaxStepsOption = Annotated[
    int | None, typer.Option(help="Stop after this many steps; 0: after the epochs.", show_default="0")
]
TrainingPrecisionOption = Annotated[
    str | None, typer.Option(help="Arithmetic: auto, fp32, bf16 or fp16.", show_default="auto")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the model, or discard another run's state, in the output folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def fusion_of(
    method: str | None, weights: list[str] | None, file: Path | None = None, depth: int | None = None
) -> Fusion | None:
    """Return the fusion of the options, without a coverage power; None: the index's default.

    Raises:
        ConfigError: a weight is not ``LIST=NUMBER``, a depth comes alone, or a file together with the other options.
        DataError: the file cannot be read as a fusion.
        RequestError: see `Fusion`.
    """
    from dpr.search.fusion import DEFAULT_DEPTH, Fusion
    from dpr.search.record import read_fusion

    options = {"--fusion": method, "--weight": weights or None, "--fusion-depth": depth}
    fusing = [name for name, value in options.items() if value is not None]
    if file is not None:
        if fusing:
            raise ConfigError(f"--fusion-file {file} says how to fuse, and so does {fusing[0]}; give one of them")
        return read_fusion(file)
    if fusing == ["--fusion-depth"]:
        raise ConfigError(
            f"--fusion-depth {depth} is for the fusion that --fusion and --weight name; give one of them, or write the "
            "depth into a --fusion-file"
        )
    if not fusing:
        return None
    named_weights = dict(_weight(item) for item in weights) if weights else None
    return Fusion(method or "zscore", named_weights, depth=DEFAULT_DEPTH if depth is None else depth)


def _weight(item: str) -> tuple[str, float]:
    name, _, number = item.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise ConfigError(f"--weight {item!r} is not LIST=NUMBER; write for example --weight bm25=0.7") from None


def rerank_of(model: str | None, depth: int | None) -> RerankOptions | None:
    """Return the reranker of the options; None: no reranking.

    Raises:
        ConfigError: there is a depth without a model, or see `RerankOptions`.
    """
    from dpr.search.reranking import RerankOptions

    if model is None:
        if depth is not None:
            raise ConfigError(f"--rerank-depth {depth} is given and --rerank is not; give both, or neither")
        return None
    return RerankOptions(model, DEFAULT_RERANK_DEPTH if depth is None else depth)


def sources_of(data: list[str], weights: list[float] | None, read: Callable[[str], list[Example]]) -> list[Source]:
    """Return the training sets of the options, each read by ``read``.

    Raises:
        ConfigError: the number of weights is not that of the data sets.
    """
    from dpr.train.batches import Source

    if weights and len(weights) != len(data):
        raise ConfigError(
            f"--data-weight was given {len(weights)} times and --data {len(data)} times; give one for each, in order"
        )
    return [Source(name, read(name), weight) for name, weight in zip(data, weights or [1.0] * len(data), strict=True)]


def check_output_file(output: Path) -> None:
    """Refuse a file that cannot be written, before the work starts.

    Raises:
        ConfigError: it is a folder, or cannot be created.
    """
    if output.is_dir():
        raise ConfigError(f"--output {output} is a folder; choose a file, such as {output / 'output.json'}")
    _check_above(output)


def check_output_folder(output: Path) -> None:
    """Refuse a folder that cannot be created, before the work starts.

    Raises:
        ConfigError: it is a file, or cannot be created.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output {output} is a file; choose a folder")
    _check_above(output)


def _check_above(output: Path) -> None:
    above = next(folder for folder in output.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ConfigError(f"--output {output} cannot be created, because {above} is a file; choose another folder")


def numbers(option: str, text: str) -> list[int]:
    """Return the whole numbers of an option, separated by commas.

    Raises:
        ConfigError: the option has another form.
    """
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        example = f"write for example {option} 1,5,20"
        raise ConfigError(f"{option} {text!r} is not a list of whole numbers; {example}") from None


def show(values: Mapping[str, object], as_json: bool) -> None:
    """Print named values as JSON or as a table of two columns."""
    if as_json:
        print_json(dict(values))
        return
    table = Table(show_header=False)
    for name, value in _rows(values):
        table.add_row(escape(name), escape(cell(value)))
    Console().print(table)


def narrow_table(*columns: str, title: str | None = None) -> Table:
    """Return a table without frames, its columns close together."""
    return Table(*columns, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title=title)


def _rows(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield a row for each value; values of nested mappings have both names, such as ``training: seed``."""
    for name, value in values.items():
        label = f"{above}{name.replace('_', ' ')}"
        if isinstance(value, Mapping) and value:
            yield from _rows(value, f"{label}: ")
        else:
            yield label, value
