"""``dpr inspect``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from dpr.cli.options import JsonOption, check_output_folder, narrow_table
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.console import escape, print_json, show_progress, visible
from dpr.data.intake import ReadRules
from dpr.durable import write_atomically
from dpr.errors import ConfigError

if TYPE_CHECKING:
    from dpr.benchmark.encoder import Inspection, Judgement, Sample, Token
    from dpr.types import Progress

    Tokenized = dict[str, dict[str, tuple[Token, ...]]]
    """For each text, its tokens before and after."""

WIDEST_MATRIX = 12
"""Most questions for which a terminal of 100 columns shows the matrix."""


def inspect_command(
    encoder: Annotated[str, typer.Option(metavar="NAME_OR_DIR", help="The encoder to inspect.")],
    before: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help="The encoder it was trained from, to compare with.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text whose tokens to show; repeatable.")] = None,
    questions: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="kind:PATH of questions with gold passages.")
    ] = None,
    count: Annotated[int, typer.Option(help="How many of the questions, 1 to 50.")] = 8,
    pool: Annotated[int, typer.Option(help="Number of the source's passages to rank the gold passages among.")] = 500,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of similarity.png and inspection.json.")
    ] = None,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show an encoder's tokens, similarities and ranks, before and after training."""
    from dpr.benchmark.charts import require_charts
    from dpr.benchmark.encoder import Inspection

    if output is not None:
        check_output_folder(output)
    texts = text or []
    sample = _sample(texts, questions, count, pool, ReadRules(encoding, skip_bad_rows))
    if output is not None and sample is not None:
        require_charts()
    names = {"before": before, "after": encoder} if before else {"after": encoder}
    tokens: Tokenized = {item: {} for item in texts}
    judgements: dict[str, Judgement] = {}
    with show_progress(f"loading the encoder {before or encoder}") as progress:
        for when, name in names.items():
            _inspect_encoder(when, name, tokens, sample, judgements, progress)
    inspection = None if sample is None else Inspection(sample, judgements)
    values = _as_json(names, tokens, inspection)
    if output is not None:
        _write(output, values, inspection)
    if as_json:
        print_json(values)
        return
    _print_tokens(tokens, names)
    if inspection is not None:
        _print_similarities(inspection)
        _print_ranks(inspection)
    if output is not None:
        Console(stderr=True).print(f"written to {output}", highlight=False)


def _sample(texts: list[str], questions: str | None, count: int, pool: int, rules: ReadRules) -> Sample | None:
    from dpr.benchmark.encoder import Sample
    from dpr.data.passages import read_examples

    if not texts and questions is None:
        raise ConfigError("there is nothing to inspect; give --questions SOURCE, or --text once or more")
    if not all(item.strip() for item in texts):
        raise ConfigError("a --text is empty; give it some letters")
    if questions is not None:
        return Sample.from_examples(read_examples(questions, rules), count, pool)
    return Sample.from_texts(texts) if len(texts) > 1 else None


def _inspect_encoder(
    when: str,
    name: str,
    tokens: Tokenized,
    sample: Sample | None,
    judgements: dict[str, Judgement],
    progress: Progress,
) -> None:
    """Load an encoder, store its tokens and its judgement; one encoder is in memory at a time."""
    from dpr.benchmark.encoder import judge, tokens_of
    from dpr.models.encoders import load_encoder

    encoder = load_encoder(name)
    for item, by_encoder in tokens.items():
        by_encoder[when] = tokens_of(encoder.tokenizers[0], item)
    if sample is not None:
        judgements[when] = judge(encoder, sample, lambda stage, count, total: progress(f"{stage} {when}", count, total))


def _as_json(names: Mapping[str, str], tokens: Tokenized, inspection: Inspection | None) -> dict[str, object]:
    texts = [
        {"text": item, **{when: [asdict(token) for token in item_tokens] for when, item_tokens in by_encoder.items()}}
        for item, by_encoder in tokens.items()
    ]
    return {"encoders": dict(names), "texts": texts, **(inspection.as_json() if inspection else {})}


def _write(folder: Path, values: Mapping[str, object], inspection: Inspection | None) -> None:
    from dpr.benchmark.heatmap import Panel, draw_similarities

    write_atomically(folder / "inspection.json", json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    if inspection is not None:
        panels = [
            Panel(when, judgement.encoder, inspection.similarities(when))
            for when, judgement in inspection.judgements.items()
        ]
        questions = [question.text for question in inspection.sample.questions]
        draw_similarities(folder / "similarity.png", panels, questions, inspection.measure)


def _print_tokens(tokens: Tokenized, names: Mapping[str, str]) -> None:
    console = Console(highlight=False)
    for item, by_encoder in tokens.items():
        console.print(Text(visible(item), style="bold"))
        for when, item_tokens in by_encoder.items():
            unknown = sum(token.is_unknown for token in item_tokens)
            console.print(f"  {when} ({escape(names[when])}): {len(item_tokens)} tokens, {unknown} unknown")
            line = Text("  ")
            for token in item_tokens:
                line.append(visible(token.text), style="bold red" if token.is_unknown else "cyan")
                line.append(f" {token.id}  ", style="dim")
            console.print(line)


def _print_similarities(inspection: Inspection) -> None:
    from dpr.benchmark.heatmap import number_text

    size = len(inspection.sample.questions)
    if size > WIDEST_MATRIX:
        return
    console = Console(highlight=False)
    for when, judgement in inspection.judgements.items():
        console.print(f"\n{inspection.measure} with each gold passage, {when} ({escape(judgement.encoder)});")
        console.print("the question's own one is underlined, the highest number of a row bold")
        table = narrow_table("question", *map(str, range(1, size + 1)))
        for row, values in enumerate(inspection.similarities(when)):
            cells = [Text(number_text(value, decimals=2)) for value in values]
            cells[int(values.argmax())].stylize("bold")
            cells[row].stylize("underline")
            table.add_row(str(row + 1), *cells)
        console.print(table)


def _print_ranks(inspection: Inspection) -> None:
    from dpr.benchmark.heatmap import shortened

    title = f"rank of the gold passage among {len(inspection.sample.pool):,} passages"
    table = narrow_table("question", "", "gold passage", *inspection.judgements, "gained", title=title)
    for number, question in enumerate(inspection.sample.questions):
        gold = inspection.sample.gold(number)
        ranks = (str(judgement.ranks[number]) for judgement in inspection.judgements.values())
        gain = inspection.gain(number)
        table.add_row(
            str(number + 1),
            escape(question.text),
            escape(shortened(gold.titled(": "), 60)),
            *ranks,
            "" if gain is None else f"{gain:+d}" if gain else "=",
        )
    Console().print(table)
