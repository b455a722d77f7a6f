"""``dpr``: train, measure, search and ask from the command line; each command is a module of this package."""

from __future__ import annotations

import typer

from dpr.cli.adapt import adapt_command
from dpr.cli.ask import ask_command
from dpr.cli.average import average_command
from dpr.cli.benchmark import benchmark_command
from dpr.cli.cloze import cloze_command
from dpr.cli.compare import compare_command
from dpr.cli.distill import distill_command
from dpr.cli.evaluate import evaluate_command
from dpr.cli.evaluate_reader import evaluate_reader_command
from dpr.cli.explain import explain_command
from dpr.cli.export import export_command
from dpr.cli.inspect import inspect_command
from dpr.cli.make_questions import questions_command
from dpr.cli.mine import mine_command
from dpr.cli.search import search_command
from dpr.cli.train import train_command
from dpr.cli.train_cross_encoder import train_cross_encoder_command
from dpr.cli.train_reader import train_reader_command
from dpr.cli.tune import tune_command
from dpr.cli.tune_reader import tune_reader_command
from dpr.console import VersionOption, run
from dpr.usage import Commands

app = typer.Typer(
    cls=Commands,
    help="Open-domain question answering in Korean and English: train, measure, search, ask.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(version: VersionOption = False) -> None:  # its callback prints it
    pass


app.command("adapt")(adapt_command)
app.command("mine")(mine_command)
app.command("train")(train_command)
app.command("distill")(distill_command)
app.command("train-cross-encoder")(train_cross_encoder_command)
app.command("train-reader")(train_reader_command)
app.command("evaluate-reader")(evaluate_reader_command)
app.command("tune-reader")(tune_reader_command)
app.command("evaluate")(evaluate_command)
app.command("average")(average_command)
app.command("export")(export_command)
app.command("inspect")(inspect_command)
app.command("benchmark")(benchmark_command)
app.command("cloze")(cloze_command)
app.command("questions")(questions_command)
app.command("compare")(compare_command)
app.command("tune")(tune_command)
app.command("search")(search_command)
app.command("ask")(ask_command)
app.command("explain")(explain_command)


def main() -> None:
    """Run the command line."""
    run(app)
