"""``dpr search``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpr.cli.options import (
    EncoderOption,
    FusionFileOption,
    FusionOption,
    IndexOption,
    JsonOption,
    RerankDepthOption,
    RerankOption,
    RetrieverOption,
    WeightOption,
    fusion_of,
    rerank_of,
)
from dpr.console import escape, print_json, visible
from dpr.search.registry import DEFAULT_RETRIEVER, reranked_name
from dpr.types import Passage, PassageWindow

if TYPE_CHECKING:
    from dpr.types import FirstStage, Weighing


def search_command(
    question: Annotated[str, typer.Argument(help="The question.")],
    index: IndexOption,
    retriever: RetrieverOption = DEFAULT_RETRIEVER,
    k: Annotated[int, typer.Option(help="How many passages, 1 to 100.")] = 10,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    fusion_file: FusionFileOption = None,
    rerank: RerankOption = None,
    rerank_depth: RerankDepthOption = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the passages for a question; every hit tells what each list says of it."""
    from dpr.pipeline import OpenQA
    from dpr.search.open import open_index

    fused = fusion_of(fusion, weight, fusion_file)
    options = rerank_of(rerank, rerank_depth)
    retriever = reranked_name(retriever) if options else retriever
    pipeline = OpenQA(open_index(index, encoder_name=encoder, rerank=options), reader=None)
    [hits] = pipeline.retrieve([question], retriever, k, fused)
    passages = pipeline.passages(hits)
    if note := pipeline.note(question, retriever):
        typer.echo(f"note: {visible(note)}", err=True)
    if as_json:
        print_json([{**asdict(hit), "passage": asdict(passage)} for hit, passage in zip(hits, passages, strict=True)])
        return
    table = Table("rank", "score", "lists", "passage", title=escape(question))
    for hit, passage in zip(hits, passages, strict=True):
        lines = [f"{name}: {_place(entry.rank)} → {entry.contribution:+.3f}" for name, entry in hit.lists.items()]
        lines += [_told_first_stage(hit.first_stage)] if hit.first_stage else []
        table.add_row(str(hit.rank), f"{hit.score:.3f}", "\n".join(lines), _marked(passage, hit.window))
    console = Console()
    console.print(table)
    if hits and hits[0].weighing is not None:
        console.print(_told(hits[0].weighing), highlight=False)


def _told(weighing: Weighing) -> str:
    """Return how much each list counted, and why."""
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in weighing.weights.items())
    shares = ", ".join(
        f"{name} covers {100 * share:.0f} % of the question" for name, share in weighing.coverage.items()
    )
    return f"weights: {weights}" + (f" ({shares})" if shares else "")


def _told_first_stage(first_stage: FirstStage) -> str:
    """Return where a hit stood before reranking, and what the reranker said."""
    score = first_stage.reranker_score
    told = "not rescored" if score is None else f"rescored {score:+.3f}"
    return f"before: rank {first_stage.rank}, {first_stage.score:.3f}; {told}"


def _marked(passage: Passage, window: PassageWindow | None) -> str:
    """Return a passage with its title in bold; of a long one, the window that matched, with its place."""
    title = f"[b]{escape(passage.title)}:[/b] " if passage.title else ""
    if window is None:
        return f"{title}{escape(passage.text)}"
    return f"{title}[dim]\\[{window.start}:{window.end}][/dim] {escape(passage.text[window.start : window.end])}"


def _place(rank: int | None) -> str:
    return "absent" if rank is None else f"rank {rank}"
