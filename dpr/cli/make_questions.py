"""``dpr questions``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import JsonOption, check_output_file, show
from dpr.cli.questions import EncodingOption, SkipBadRowsOption
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError

if TYPE_CHECKING:
    from dpr.types import Example, Passage, Progress

METHODS = ("cloze", "titles", "model")

Asking = Callable[["Passage"], str]
"""Asks a model for the question of a passage; empty where it gives none."""


def questions_command(
    corpus: Annotated[list[str], typer.Option(metavar="SOURCE", help="Passages, as dpr-index takes them; repeatable.")],
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="File of pairs (.jsonl); benchmark with it as pairs:FILE.")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="cloze (words of a sentence), titles (the passages' titles), or model (a chat model writes them)."
        ),
    ] = "cloze",
    limit: Annotated[int, typer.Option(min=1, help="Most questions.")] = 300,
    seed: Annotated[int, typer.Option(help="Seed of the choice of passages and words.")] = 1,
    generator_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of an OpenAI-compatible server, for --method model.")
    ] = None,
    generator_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name there, for --method model.")
    ] = None,
    generator_key: Annotated[
        str, typer.Option(envvar="DPR_GENERATOR_KEY", metavar="KEY", help="The key for it; better in the environment.")
    ] = "",
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make synthetic questions from your own passages, to benchmark on a corpus without labels."""
    from dpr.data.passages import read_corpus
    from dpr.data.synthetic import write_questions

    check_output_file(output)
    if output.suffix != ".jsonl":
        raise ConfigError(f"--output {output} has another ending; write a .jsonl file, which pairs: reads")
    asking = _asking(method, generator_url, generator_model, generator_key)
    with asking as ask, show_progress("reading the passages") as progress:
        passages = read_corpus(corpus, ReadRules(encoding, skip_bad_rows))
        examples = _made(method, passages, (limit, seed), ask, progress)
        origin = {"method": method, "seed": seed, "model": generator_model, "command": command_line("dpr")}
        count = write_questions(output, examples, {name: value for name, value in origin.items() if value is not None})
    show({"questions": count, "method": method, "synthetic": True, "file": str(output)}, as_json)


@contextmanager
def _asking(method: str, url: str | None, model: str | None, key: str) -> Iterator[Asking | None]:
    """Yield what asks a model for the question of a passage, and close its connection after; None for another method.

    Raises:
        ConfigError: the method is unknown, or its options do not fit it.
    """
    if method not in METHODS:
        raise ConfigError(f"--method is {method!r}; choose {', '.join(METHODS)}")
    if method != "model":
        if url or model:
            raise ConfigError(f"--method {method} asks no model; leave --generator-url and --generator-model out")
        yield None
        return
    if not url or not model:
        raise ConfigError("--method model needs --generator-url and --generator-model; give both")
    from dpr.reader.generative.chat import ChatClient
    from dpr.reader.generative.questions import ask_for_question

    with closing(ChatClient(url, model, key)) as client:
        yield lambda passage: ask_for_question(client, passage)


def _made(
    method: str, passages: Iterator[Passage], chance: tuple[int, int], ask: Asking | None, progress: Progress
) -> Iterator[Example]:
    from dpr.data.synthetic import cloze_questions, model_questions, sampled, title_questions

    limit, seed = chance
    if method == "titles":
        return title_questions(passages, limit, seed)
    sample = sampled(passages, limit, seed)
    if ask is None:
        return cloze_questions(sample, seed)
    return model_questions(sample, ask, lambda number: progress("questions", number, len(sample)))
