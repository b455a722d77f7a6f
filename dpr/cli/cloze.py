"""``dpr cloze``."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import ConfigOption, JsonOption, check_output_file, show
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.config import load_config
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dpr.types import Passage


def cloze_command(
    text: Annotated[
        list[str],
        typer.Option(metavar="SOURCE", help="Passages (as dpr-index takes them), or a .txt file of lines; repeatable."),
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="File of pairs to write; train on it as dpr:FILE.")],
    config: ConfigOption = None,
    window: Annotated[int | None, typer.Option(help="Most characters of a passage; 0: no limit.")] = None,
    questions: Annotated[int | None, typer.Option(help="Questions to make of each window.")] = None,
    answers: Annotated[
        bool | None, typer.Option("--answers", help="Ask for a phrase, which is the answer: to train a reader.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Passages to take of each source; 0: all.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Seed of the choice of words.")] = None,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make question-passage pairs from plain text: words of a sentence, and the passage that contains it."""
    from dpr.data.cloze import Cloze, cloze_examples
    from dpr.data.dpr_json import write_dpr_json

    check_output_file(output)
    cloze = load_config(Cloze, config, {"window": window, "questions": questions, "answers": answers, "seed": seed})
    if limit < 0:
        raise ConfigError(f"--limit is {limit}; give a number of passages, or 0 for all")
    examples = cloze_examples(_passages(text, cloze.window, limit, ReadRules(encoding, skip_bad_rows)), cloze)
    first = next(examples, None)
    if first is None:
        raise DataError(f"{', '.join(text)}: no sentence of three words or more; give running text")
    count = write_dpr_json(output, itertools.chain([first], examples))
    show({"questions": count, "file": str(output)}, as_json)


def _passages(sources: list[str], window: int, limit: int, rules: ReadRules) -> Iterator[Passage]:
    from dpr.data.cloze import joined_lines
    from dpr.data.passages import read_passages
    from dpr.data.plain_text import PLAIN_ENDINGS, PlainText

    for source in sources:
        lines = source.endswith(PLAIN_ENDINGS)
        passages = joined_lines(PlainText(source, rules), window) if lines else read_passages(source, rules)
        yield from itertools.islice(passages, limit or None)
