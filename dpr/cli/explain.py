"""``dpr explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpr.cli.ask_server import explain_by_server
from dpr.cli.options import (
    BackendOption,
    DefaultRetrieverOption,
    EncoderOption,
    FilterOption,
    FusionDepthOption,
    FusionFileOption,
    FusionOption,
    JsonOption,
    PrecisionOption,
    RerankDepthOption,
    RerankOption,
    WeightOption,
    fusion_of,
    rerank_of,
)
from dpr.config import ComputeOptions
from dpr.console import escape, print_json
from dpr.errors import ConfigError

if TYPE_CHECKING:
    from dpr.types import Explanation, FusedValue, ListExplanation


def explain_command(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question.")],
    index: Annotated[Path | None, typer.Option(metavar="INDEX", help="Folder of the index.")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask a running dpr-serve, not an index; its key: DPR_API_KEY.")
    ] = None,
    passage: Annotated[str | None, typer.Option(metavar="ID", help="The passage, by its id.")] = None,
    rank: Annotated[
        int | None, typer.Option(help="The passage, by its rank among the hits; 1 if no passage is named.")
    ] = None,
    retriever: DefaultRetrieverOption = None,
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
    """Tell why a passage has its rank: the share of each term, the similarity, and how the lists were fused."""
    from dpr.opening import open_qa
    from dpr.pipeline import RetrievalOptions

    if server is not None:
        _print(explain_by_server(context, server, question), as_json)
        return
    if index is None:
        raise ConfigError("there is no --index to ask, and no --server; give one of them")
    retrieval = RetrievalOptions(
        retriever, fusion_of(fusion, weight, fusion_file, fusion_depth), rerank=rerank_of(rerank, rerank_depth)
    )
    qa = open_qa(index, encoder=encoder, reader=None, retrieval=retrieval, compute=ComputeOptions(precision, backend))
    rank = 1 if passage is None and rank is None else rank
    _print(qa.explain(question, passage, rank=rank, filter=filter), as_json)


def _print(explanation: Explanation, as_json: bool) -> None:
    if as_json:
        print_json({**explanation.to_dict(), "generation": explanation.generation})
    else:
        show(explanation)


def show(explanation: Explanation) -> None:
    """Print the passage, a table of what each list says, and how it adds up."""
    console, passage = Console(), explanation.passage
    if passage is not None:
        title = f"[b]{escape(passage.title)}:[/b] " if passage.title else ""
        console.print(f"{title}{escape(passage.text)}")
    table = Table("list", "rank", "score", "terms and windows", "in the fusion")
    for name, entry in explanation.lists.items():
        score = "unknown" if entry.score is None else f"{entry.score:.4f}"
        table.add_row(name, _rank(entry.rank), score, _evidence(entry), _fused(entry.fused))
    console.print(table)
    if explanation.fusion is not None:
        console.print(f"value: {escape(explanation.fusion.formula)}", highlight=False)
    if (stage := explanation.first_stage) is not None:
        rescored = "not rescored" if stage.reranker_score is None else f"rescored {stage.reranker_score:+.4f}"
        console.print(f"before reranking: rank {stage.rank}, score {stage.score:.4f}; {rescored}", highlight=False)
    score = "no score" if explanation.score is None else f"score {explanation.score:.4f}"
    console.print(f"{explanation.retriever}: {_rank(explanation.rank)}, {score}", highlight=False)


def _rank(rank: int | None) -> str:
    return "no rank" if rank is None else f"rank {rank}"


def _evidence(entry: ListExplanation) -> str:
    """Return the shares of a list's terms, one a line, or the window that is most similar."""
    if entry.terms is not None:
        return "\n".join(
            f"{escape(term.term)} {term.share:+.4f} (here {term.count} ×, in {_passages(term.document_frequency)})"
            for term in entry.terms
        )
    return f"\\[{entry.window.start}:{entry.window.end}]" if entry.window else ""


def _passages(count: int) -> str:
    return "1 passage" if count == 1 else f"{count:,} passages"


def _fused(fused: FusedValue | None) -> str:
    if fused is None:
        return ""
    statistics = "".join(f", {name} {number:.4f}" for name, number in fused.statistics.items())
    weight = f"weight {fused.base_weight:.2f}, by coverage {fused.coverage:.2f}: {fused.weight:.4f}"
    product = f"{fused.weight:.4f} × {fused.value:.4f} = {fused.contribution:+.4f}"
    return f"score {fused.score:.4f}{statistics}\n{weight}\n{product}"
