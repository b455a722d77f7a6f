"""``dpr tune-reader``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpr.cli.evaluate_reader import NegativesOption, gold_examples
from dpr.cli.options import DefaultRetrieverOption, EncoderOption, FusionFileOption, JsonOption, fusion_of, show
from dpr.cli.questions import EncodingOption, SkipBadRowsOption, labelled_examples, rule_of
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError

GoldOption = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="SOURCE", help="kind:PATH of questions for the threshold; repeatable."),
]

WeightsOption = Annotated[
    bool, typer.Option(help="Fit the weights of retrieval score and relevance head, not the probability alone.")
]
AnswerPrecisionOption = Annotated[
    float | None,
    typer.Option(help="Choose the threshold at which this share of the answers is right, not the one of best F1."),
]
AbsentShareOption = Annotated[
    float,
    typer.Option(min=0, max=1, help="Share of questions that are also asked without their own documents."),
]


def tune_reader_command(
    reader: Annotated[Path, typer.Option(metavar="DIR", help="The reader, which stores the result.")],
    data: GoldOption = None,
    negatives: NegativesOption = False,
    precision: AnswerPrecisionOption = None,
    index: Annotated[
        Path | None, typer.Option(metavar="INDEX", help="Index to fit the weights and the probability on.")
    ] = None,
    questions: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="kind:PATH of questions to the index; repeatable.")
    ] = None,
    weights: WeightsOption = True,
    retriever: DefaultRetrieverOption = None,
    k: Annotated[int, typer.Option(help="How many passages of the index to read.")] = 10,
    absent_share: AbsentShareOption = 0.25,
    fusion_file: FusionFileOption = None,
    encoder: EncoderOption = None,
    encoding: EncodingOption = "utf-8",
    skip_bad_rows: SkipBadRowsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose a reader's threshold, probability and weights on held-out questions, and store them in it."""
    from dpr.benchmark.retrieved_questions import RetrieverChoice, retrieve, retrieve_without_own_documents
    from dpr.reader.extractive.reader import load_reader
    from dpr.search.open import open_index
    from dpr.search.options import RetrievalOptions
    from dpr.tuning.reader import read_retrieved, store, tune_no_answer, tune_probability, tune_weights

    if not reader.is_dir():
        raise ConfigError(f"--reader {reader} is not a folder; the result is stored in the reader: give its folder")
    if not data and not questions:
        raise ConfigError("there is nothing to tune on; give --data, or --index with --questions, or both")
    if (index is None) != (not questions):
        raise ConfigError("--index and --questions belong together; give both, or neither")
    if fusion_file is not None and index is None:
        raise ConfigError("--fusion-file is for searching an index; give --index, or leave it out")
    if negatives and not data:
        raise ConfigError("--negatives adds questions to --data, which is not given; give it, or leave --negatives out")
    if precision is not None and not (data and 0 < precision <= 1):
        raise ConfigError(f"--precision is {precision:g}; give a share above 0 and up to 1, together with --data")
    rules = ReadRules(encoding, skip_bad_rows)
    record: dict[str, object] = {"command": command_line("dpr")}
    with show_progress(f"loading the reader {reader}") as progress:
        model = load_reader(reader)
        if data:
            examples = gold_examples(data, negatives, rules)
            model.config, record["no_answer"] = tune_no_answer(model, examples, precision, progress)
        if index is not None and questions:
            examples = [example for source in questions for example in labelled_examples(source, rules)]
            opened_index, fusion = open_index(index, encoder), fusion_of(None, None, fusion_file)
            choice = RetrieverChoice(RetrievalOptions(retriever).retriever_for(opened_index.names), k, fusion)
            retrieved = retrieve(opened_index, examples, choice, progress)
            retrieved += retrieve_without_own_documents(opened_index, examples, absent_share, choice, progress)
            spans = read_retrieved(model, retrieved, progress)
            if weights:
                rule = rule_of(questions, examples)
                model.config, record["weights"] = tune_weights(model.config, retrieved, spans, rule)
            model.config, record["probability"] = tune_probability(model.config, retrieved, spans)
    store(reader, model.config, record)
    show({**record, "config": asdict(model.config)}, as_json)
