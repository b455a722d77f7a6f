"""``dpr ask``."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dpr.cli.ask_server import ask_server
from dpr.cli.options import (
    BackendOption,
    DefaultRetrieverOption,
    EncoderOption,
    FilterOption,
    FusionFileOption,
    JsonOption,
    PrecisionOption,
    ReaderOption,
    RerankDepthOption,
    RerankOption,
    fusion_of,
    rerank_of,
)
from dpr.config import DEFAULT_READER, ComputeOptions
from dpr.console import escape, print_json, visible
from dpr.errors import ConfigError
from dpr.questions import why_no_hits

if TYPE_CHECKING:
    from dpr.opening import GeneratorOptions
    from dpr.pipeline import QA
    from dpr.reader.generative.reader import GenerativeReader
    from dpr.results import Answer, Answered, Passage
    from dpr.types import Candidates, Reading

KEY_VARIABLE = "DPR_GENERATOR_KEY"

SHOWN_AROUND = 300
"""Characters of a passage that are shown on each side of an answer."""


def ask_command(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question.")],
    index: Annotated[Path | None, typer.Option(metavar="INDEX", help="Folder of the index.")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask a running dpr-serve, not an index; its key: DPR_API_KEY.")
    ] = None,
    reader: ReaderOption = str(DEFAULT_READER),
    retriever: DefaultRetrieverOption = None,
    k: Annotated[int, typer.Option(help="How many passages to read, 1 to 100.")] = 10,
    n_best: Annotated[int, typer.Option(help="How many answers, 1 to 20.")] = 1,
    generator_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help=f"Address of a chat model that writes the answer; its key: {KEY_VARIABLE}."),
    ] = None,
    generator_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of that model at its address.")
    ] = None,
    fusion_file: FusionFileOption = None,
    filter: FilterOption = None,
    rerank: RerankOption = None,
    rerank_depth: RerankDepthOption = None,
    encoder: EncoderOption = None,
    precision: PrecisionOption = "auto",
    backend: BackendOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Answer a question from an index or a server, and show the passage of the answer."""
    from dpr.filters import parse
    from dpr.opening import open_qa
    from dpr.pipeline import RetrievalOptions

    if server is not None:
        _print(ask_server(context, server, question, prints_text=not as_json), as_json, filter)
        return
    if index is None:
        raise ConfigError("there is no --index to ask, and no --server; give one of them")
    retrieval = RetrievalOptions(retriever, fusion_of(None, None, fusion_file), rerank=rerank_of(rerank, rerank_depth))
    generator = _generator(generator_url, generator_model)
    compute = ComputeOptions(precision, backend)
    with open_qa(
        index, encoder=encoder, reader=reader, generator=generator, retrieval=retrieval, compute=compute
    ) as qa:
        _print_text_as_it_streams(qa, as_json)
        answered = qa.answer(question, k=k, n_best=n_best, filter=filter)
        passing = None if filter is None or answered.hits else qa.index.filtered.count(parse(filter))
    _print(answered, as_json, filter, passing)


def _print(answered: Answered, as_json: bool, filter: str | None, passing: int | None = None) -> None:
    if as_json:
        print_json(_answered_json(answered))
    elif answered.hits:
        _show(answered)
    else:
        cause = escape(why_no_hits(filter, passing))
        Console().print(f"[yellow]no answer[/yellow]: {cause}", highlight=False, soft_wrap=True)


def _print_text_as_it_streams(qa: QA, as_json: bool) -> None:
    """Print a generator's text as it is written, unless the answer is printed as JSON."""
    from dpr.reader.generative.reader import GenerativeReader

    if isinstance(qa.generator, GenerativeReader):
        logger = logging.getLogger("dpr.reader.generative.reader")
        logger.addHandler(logging.NullHandler())  # the note says the same
        qa.generator = qa.generator if as_json else _PrintingReader(qa.generator)


class _PrintingReader:
    """A generative reader that prints its text while it streams."""

    def __init__(self, generator: GenerativeReader) -> None:
        self.name = generator.name
        self._generator = generator

    def read(self, batch: Sequence[Candidates], n_best: int = 1) -> list[Reading]:
        return [self._read(candidates, n_best) for candidates in batch]

    def _read(self, candidates: Candidates, n_best: int) -> Reading:
        from dpr.types import Reading

        console, is_begun = Console(), False
        reading = Reading()
        for piece in self._generator.stream(candidates, n_best):
            if isinstance(piece, Reading):
                reading = piece
            else:
                is_begun = True
                console.out(visible(piece), end="", highlight=False)
        if is_begun:
            console.print()
        return reading


def _generator(url: str | None, model: str | None) -> GeneratorOptions | None:
    from dpr.opening import GeneratorOptions

    if url is None and model is None:
        return None
    if url is None or model is None:
        option, absent_option = ("url", "model") if model is None else ("model", "url")
        raise ConfigError(
            f"--generator-{option} is given and --generator-{absent_option} is not; give both, or neither"
        )
    return GeneratorOptions(url, model, os.environ.get(KEY_VARIABLE, ""))


def _show(answered: Answered) -> None:
    """Print the reading, and each answer or cited passage; a generator's text is printed already."""
    console, reading = Console(), answered.reading
    if reading.note:
        console.print(f"[yellow]note[/yellow]: {escape(reading.note)}", highlight=False)
    if not reading.is_answered:
        guesses = "; the best guess is below" if reading.answers else ""
        console.print(f"[yellow]no answer[/yellow] in these passages{guesses}")
    spans = {answer.passage_id: answer for answer in reversed(reading.answers)}
    for number, passage in enumerate(answered.passages, start=1):
        if passage.id in reading.cited:
            console.print(rf"  \[{number}] {_marked(passage, spans.get(passage.id))}")
    if reading.text:
        return
    passages = {passage.id: passage for passage in answered.passages}
    if reading.probability is not None:
        console.print(f"probability that the best answer is right: {reading.probability:.0%}", highlight=False)
    for answer in reading.answers:
        console.print(f"[b green]{escape(answer.text)}[/b green]  (score {answer.score:.2f})")
        console.print(f"  {_marked(passages[answer.passage_id], answer)}")


def _marked(passage: Passage, answer: Answer | None) -> str:
    """Return a passage as markup with the answer reversed; of a long passage, only the text around it."""
    title = f"[b]{escape(passage.title)}:[/b] " if passage.title else ""
    start, end = (0, 0) if answer is None else (answer.start, answer.end)
    first, last = around(passage.text, start, end)
    before = ("… " if first else "") + escape(passage.text[first:start])
    after = escape(passage.text[end:last]) + (" …" if last < len(passage.text) else "")
    return f"{title}{before}[reverse]{escape(passage.text[start:end])}[/reverse]{after}"


def around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return start and end of an excerpt of a text around its characters from ``start`` to ``end``.

    The excerpt is the whole text if it is hardly longer, and begins and ends between words if possible.
    """
    first, last = start - SHOWN_AROUND, end + SHOWN_AROUND
    first = 0 if first <= SHOWN_AROUND // 2 else max(first, text.find(" ", first, start) + 1)
    if last >= len(text) - SHOWN_AROUND // 2:
        last = len(text)
    elif (blank := text.rfind(" ", end, last)) >= 0:
        last = blank
    return first, last


def _answered_json(answered: Answered) -> dict[str, object]:
    return {
        **answered.to_dict(),
        "passages": [passage.to_dict() for passage in answered.passages],
        "timings": asdict(answered.timings),
        "generation": answered.generation,
    }
