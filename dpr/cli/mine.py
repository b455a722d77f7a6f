"""``dpr mine``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.options import EncoderOption, IndexOption, JsonOption, RetrieverOption, check_output_file, show
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, retrievable_examples
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError


def mine_command(
    index: IndexOption,
    questions: Annotated[
        list[str], typer.Option(metavar="SOURCE", help="kind:PATH of questions with their passages; repeatable.")
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The training file, for dpr:FILE.")],
    retriever: RetrieverOption = "bm25",
    count: Annotated[int, typer.Option(help="Negatives for each question, at most.")] = 8,
    ranks: Annotated[str, typer.Option(metavar="FIRST:LAST", help="The ranks to take them from.")] = "1:50",
    max_share: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="Leave out scores above this share of the positive's.")
    ] = None,
    keep_answers: Annotated[bool, typer.Option("--keep-answers", help="Take passages with an answer too.")] = False,
    seed: Annotated[int | None, typer.Option(help="Draw from the ranks at random; by default, the best.")] = None,
    encoder: EncoderOption = None,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find hard negatives for training: passages ranked high that do not answer their question."""
    from dpr.data.dpr_json import write_dpr_json
    from dpr.durable import write_atomically
    from dpr.opening import open_qa
    from dpr.train.mining import Mining, mine

    first, last = _ranks(ranks)
    options = Mining(retriever, count, first, last, max_share, keep_answers, seed)
    check_output_file(output)
    rules = ReadRules(encoding, skip_bad_rows)
    with show_progress(f"opening the index {index} and reading the questions") as progress:
        qa_index = open_qa(index, encoder=encoder, reader=None).index
        examples = [example for source in questions for example in retrievable_examples(source, rules)]
        mined = mine(qa_index, examples, options, progress)
        write_dpr_json(output, mined)
    summary = mined.summary.as_json()
    made_by = {
        "command": command_line("dpr"),
        "options": asdict(options),
        "questions": questions,
        "generation": qa_index.generation,
        "encoder": asdict(qa_index.manifest.encoder) if qa_index.manifest.encoder else None,
        "summary": summary,
    }
    write_atomically(record_of(output), json.dumps(made_by, ensure_ascii=False, indent=2) + "\n")
    show({**summary, "output": str(output)}, as_json)


def record_of(output: Path) -> Path:
    """Return the path of a training file's record, beside it."""
    return output.with_name(f"{output.stem}.mining.json")


def _ranks(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    try:
        return int(first), int(last)
    except ValueError:
        raise ConfigError(f"--ranks {text!r} is not FIRST:LAST; write for example --ranks 1:50") from None
