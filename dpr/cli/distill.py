"""``dpr distill``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpr.cli.options import (
    BaseOption,
    ConfigOption,
    JsonOption,
    MaxStepsOption,
    OverwriteOption,
    PassagePromptOption,
    QuestionPromptOption,
    ValidateOption,
    show,
)
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, retrievable_examples
from dpr.cli.training import settings_of, training_run
from dpr.data.intake import ReadRules

if TYPE_CHECKING:
    from dpr.types import Passage

TextsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--text", metavar="SOURCE", help="Texts: a .txt or .txt.gz file of one a line, or passages; repeatable."
    ),
]
ParallelOption = Annotated[
    list[Path] | None,
    typer.Option("--parallel", metavar="FILE", help="Sentence and translation, .tsv or .tsv.gz; repeatable."),
]
QuestionsOption = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="SOURCE", help="kind:PATH of questions with their passages; repeatable."),
]


def distill_command(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the student; an interrupted run continues in it.")
    ],
    objective: Annotated[
        str | None, typer.Option(help="What to learn: vectors, parallel or scores.", show_default="vectors")
    ] = None,
    teacher: Annotated[str | None, typer.Option(metavar="NAME_OR_DIR", help="The encoder to learn from.")] = None,
    cross_encoder: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help="Learn scores from this cross-encoder instead.")
    ] = None,
    text: TextsOption = None,
    parallel: ParallelOption = None,
    data: QuestionsOption = None,
    validate: ValidateOption = None,
    base: BaseOption = None,
    question_prompt: QuestionPromptOption = None,
    passage_prompt: PassagePromptOption = None,
    config: ConfigOption = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.", show_default="1")] = None,
    max_steps: MaxStepsOption = None,
    batch_size: Annotated[int | None, typer.Option(help="Texts, or questions, in a batch.", show_default="64")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="5e-05")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of new weights and of the order.", show_default="1")] = None,
    overwrite: OverwriteOption = False,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a student the vectors or the scores of a teacher."""
    options = locals()  # the options that have a setting's name
    from dpr.data.parallel import read_parallel
    from dpr.data.passages import read_examples
    from dpr.train.batches import Source
    from dpr.train.distillation.data import DistillationData
    from dpr.train.distillation.run import distill
    from dpr.train.distillation.settings import Distillation

    settings = settings_of(Distillation, config, options)
    rules = ReadRules(encoding, skip_bad_rows)
    with training_run(overwrite) as run:
        distillation_data = DistillationData(
            texts={source: _texts(source, rules) for source in text or ()},
            pairs={str(path): list(read_parallel(path, rules)) for path in parallel or ()},
            sources=[Source(name, retrievable_examples(name, rules)) for name in data or ()],
        )
        held_out = [example for source in validate or () for example in read_examples(source, rules)]
        record = distill(distillation_data, output, settings, held_out, run)
    show(record, as_json)


def _texts(source: str, rules: ReadRules) -> list[Passage]:
    from dpr.data.identity import content_id
    from dpr.data.passages import read_passages
    from dpr.data.plain_text import PLAIN_ENDINGS, PlainText
    from dpr.types import Passage

    if source.endswith(PLAIN_ENDINGS):
        return [Passage(content_id(line), line) for line in PlainText(source, rules)]
    return list(read_passages(source, rules))
