"""``dpr search`` and ``dpr ask``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dpr.cli.options import (
    EncoderOption,
    FusionFileOption,
    FusionOption,
    IndexOption,
    JsonOption,
    PrecisionOption,
    ReaderOption,
    RetrieverOption,
    WeightOption,
    fusion_of,
)
from dpr.config import DEFAULT_READER
from dpr.console import print_json

if TYPE_CHECKING:
    from dpr.pipeline import Answered


def search_command(
    question: Annotated[str, typer.Argument(help="The question.")],
    index: IndexOption,
    retriever: RetrieverOption = "hybrid",
    k: Annotated[int, typer.Option(help="How many passages, 1 to 100.")] = 10,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    fusion_file: FusionFileOption = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the passages for a question; every hit tells what each list says of it."""
    from dpr.pipeline import OpenQA
    from dpr.search.open import open_index

    fused = fusion_of(fusion, weight, fusion_file)
    pipeline = OpenQA(open_index(index, encoder_name=encoder), reader=None)
    [hits] = pipeline.retrieve([question], retriever, k, fused)
    passages = pipeline.passages(hits)
    if as_json:
        print_json([{**asdict(hit), "passage": asdict(passage)} for hit, passage in zip(hits, passages, strict=True)])
        return
    table = Table("rank", "score", "lists", "passage", title=escape(question))
    for hit, passage in zip(hits, passages, strict=True):
        lists = "\n".join(
            f"{name}: {_place(entry.rank)} → {entry.contribution:+.3f}" for name, entry in hit.lists.items()
        )
        table.add_row(
            str(hit.rank), f"{hit.score:.3f}", lists, f"[b]{escape(passage.title)}[/b] {escape(passage.text)}"
        )
    Console().print(table)


def ask_command(
    question: Annotated[str, typer.Argument(help="The question.")],
    index: IndexOption,
    reader: ReaderOption = str(DEFAULT_READER),
    retriever: RetrieverOption = "hybrid",
    k: Annotated[int, typer.Option(help="How many passages to read, 1 to 100.")] = 10,
    n_best: Annotated[int, typer.Option(help="How many answers, 1 to 20.")] = 1,
    fusion_file: FusionFileOption = None,
    encoder: EncoderOption = None,
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Answer a question from an index, with the passage that the answer stands in."""
    from dpr.pipeline import OpenQA
    from dpr.reader.reader import load_reader
    from dpr.search.open import open_index

    fusion = fusion_of(None, None, fusion_file)
    pipeline = OpenQA(open_index(index, encoder_name=encoder), load_reader(reader, precision))
    [answered] = pipeline.answer([question], retriever, k, fusion, n_best)
    if as_json:
        print_json(_answered_json(answered))
        return
    console = Console()
    if not answered.reading.is_answered:
        console.print("[yellow]no answer[/yellow] in these passages; the best guess would be:")
    passages = {passage.id: passage for passage in answered.passages}
    for answer in answered.reading.answers:
        passage = passages[answer.passage_id]
        before, after = escape(passage.text[: answer.start]), escape(passage.text[answer.end :])
        console.print(f"[b green]{escape(answer.text)}[/b green]  (score {answer.score:.2f})")
        console.print(f"  [b]{escape(passage.title)}[/b] {before}[reverse]{escape(answer.text)}[/reverse]{after}")


def _answered_json(answered: Answered) -> dict[str, object]:
    return {
        "question": answered.question,
        "is_answered": answered.reading.is_answered,
        "answers": [asdict(answer) for answer in answered.reading.answers],
        "passages": [asdict(passage) for passage in answered.passages],
        "timings": asdict(answered.timings),
        "generation": answered.generation,
    }


def _place(rank: int | None) -> str:
    return "absent" if rank is None else f"rank {rank}"
