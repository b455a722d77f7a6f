"""How commands read questions, choose the answer rule and show metrics."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import DataError

if TYPE_CHECKING:
    from dpr.types import Example

logger = logging.getLogger(__name__)

RuleOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="squad-1.1, squad-2.0 or korquad-1.0; by default the data's own.")
]


EncodingOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="Encoding of the questions: utf-8, cp949, utf-16 or another that Python knows."),
]
SkipBadRowsOption = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Skip questions that cannot be read; name some and count them.")
]


def labelled_examples(source: str, rules: ReadRules = UTF8_RULES) -> list[Example]:
    """Read the questions of a source that have gold answers or are marked as unanswerable.

    Raises:
        DataError: there is none, or see `read_examples`.
    """
    from dpr.data.passages import read_examples

    examples = list(read_examples(source, rules))
    labelled = [example for example in examples if example.question.answers or example.is_impossible]
    if examples and not labelled:
        raise DataError(
            f"{source}: no question has an answer, nor is any marked as unanswerable; give questions with answers, "
            "which pairs: has in the column 'answer'"
        )
    return labelled


def retrievable_examples(source: str, rules: ReadRules = UTF8_RULES) -> list[Example]:
    """Read the questions of a source that a passage answers.

    Unanswerable questions are left out, and those whose judged passages the source lacks; warnings count both.
    """
    from dpr.data.passages import read_examples

    examples = list(read_examples(source, rules))
    with_passage = [example for example in examples if example.positives or not example.absent_positives]
    if without := len(examples) - len(with_passage):
        logger.warning("%s: %d questions are left out; the data set has none of their passages", source, without)
    answerable = [example for example in with_passage if not example.is_impossible]
    if unanswerable := len(with_passage) - len(answerable):
        logger.warning(
            "%s: unanswerable questions are left out (%d); their passages do not answer them", source, unanswerable
        )
    return answerable


def rule_of(sources: Sequence[str], examples: Sequence[Example]) -> str:
    """Return the name of the answer rule of data sets: KorQuAD's if all are Korean, else SQuAD's."""
    from dpr.benchmark.reader import choose_rule

    return choose_rule(examples, is_korean=all(source.startswith(("korquad:", "klue:")) for source in sources))


def show_metrics(title: str, columns: Mapping[str, Mapping[str, float]], times: Mapping[str, float]) -> None:
    """Print the metrics of systems, in per cent, and the median milliseconds of a question, one column for each."""
    table = Table("", *columns, box=SIMPLE_HEAD, pad_edge=False)
    for name in dict.fromkeys(name for metrics in columns.values() for name in metrics):
        cells = (f"{100 * metrics[name]:.2f}" if name in metrics else "" for metrics in columns.values())
        table.add_row(name.replace("_", " "), *cells)
    if times:
        table.add_row("ms per question, p50", *(f"{times[name]:.0f}" for name in columns))
    console = Console()
    console.print(title, highlight=False)
    console.print(table)
