"""``dpr search``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpr.cli.options import (
    BackendOption,
    DefaultRetrieverOption,
    EncoderOption,
    FilterOption,
    FusionDepthOption,
    FusionFileOption,
    FusionOption,
    IndexOption,
    JsonOption,
    PrecisionOption,
    RerankDepthOption,
    RerankOption,
    WeightOption,
    fusion_of,
    rerank_of,
)
from dpr.config import ComputeOptions
from dpr.console import escape, print_json, visible
from dpr.questions import why_no_hits

if TYPE_CHECKING:
    from dpr.results import FirstStage, Hit, Weighing


def search_command(
    question: Annotated[str, typer.Argument(help="The question.")],
    index: IndexOption,
    retriever: DefaultRetrieverOption = None,
    k: Annotated[int, typer.Option(help="How many passages, 1 to 100.")] = 10,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    fusion_depth: FusionDepthOption = None,
    fusion_file: FusionFileOption = None,
    filter: FilterOption = None,
    rerank: RerankOption = None,
    rerank_depth: RerankDepthOption = None,
    encoder: EncoderOption = None,
    precision: PrecisionOption = "auto",
    backend: BackendOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the passages for a question, with their rank and score in each list."""
    from dpr.filters import parse
    from dpr.opening import open_qa
    from dpr.pipeline import RetrievalOptions

    retrieval = RetrievalOptions(
        retriever, fusion_of(fusion, weight, fusion_file, fusion_depth), rerank=rerank_of(rerank, rerank_depth)
    )
    qa = open_qa(index, encoder=encoder, reader=None, retrieval=retrieval, compute=ComputeOptions(precision, backend))
    hits = qa.retrieve(question, k=k, filter=filter)
    if note := qa.note(question):
        typer.echo(f"note: {visible(note)}", err=True)
    if as_json:
        print_json([_hit_json(hit) for hit in hits])
        return
    if not hits:
        passing = None if filter is None else qa.index.filtered.count(parse(filter))
        Console().print(escape(why_no_hits(filter, passing)), highlight=False, soft_wrap=True)
        return
    table = Table("rank", "score", "lists", "passage", title=escape(question))
    for hit in hits:
        lines = [
            f"{name}: {f'rank {entry.rank}' if entry.rank else 'absent'} → {entry.contribution:+.3f}"
            for name, entry in hit.lists.items()
        ]
        lines += [_first_stage_line(hit.first_stage)] if hit.first_stage else []
        table.add_row(str(hit.rank), f"{hit.score:.3f}", "\n".join(lines), _marked(hit))
    console = Console()
    console.print(table)
    if hits[0].weighing is not None:
        console.print(_weighing_line(hits[0].weighing), highlight=False)


def _weighing_line(weighing: Weighing) -> str:
    """Return the weights of the lists, and the coverage behind them."""
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in weighing.weights.items())
    shares = ", ".join(
        f"{name} covers {100 * share:.0f} % of the question" for name, share in weighing.coverage.items()
    )
    return f"weights: {weights}" + (f" ({shares})" if shares else "")


def _first_stage_line(first_stage: FirstStage) -> str:
    """Return rank and score of a hit before reranking, and the reranker's score."""
    score = first_stage.reranker_score
    rescoring = "not rescored" if score is None else f"rescored {score:+.3f}"
    return f"before: rank {first_stage.rank}, {first_stage.score:.3f}; {rescoring}"


def _marked(hit: Hit) -> str:
    """Return a passage with its title in bold; of a long one, the window that matched, with its offsets."""
    title, window = f"[b]{escape(hit.title)}:[/b] " if hit.title else "", hit.window
    if window is None:
        return f"{title}{escape(hit.text)}"
    return f"{title}[dim]\\[{window.start}:{window.end}][/dim] {escape(hit.text[window.start : window.end])}"


def _hit_json(hit: Hit) -> dict[str, object]:
    weighing = hit.weighing.to_dict() if hit.weighing else None
    return {"row": hit.row, "passage_id": hit.passage_id, **hit.to_dict(), "weighing": weighing}
