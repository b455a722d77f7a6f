"""``dpr``: train, measure, search and ask from the command line."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dpr.config import DEFAULT_ENCODER, DEFAULT_READER, load_config
from dpr.console import print_json, run, show_progress
from dpr.errors import ConfigError
from dpr.types import Example

if TYPE_CHECKING:
    from dpr.pipeline import Answered
    from dpr.search.fusion import Fusion

app = typer.Typer(
    help="Open-domain question answering in Korean and English: train, measure, search, ask.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

IndexOption = Annotated[Path, typer.Option("--index", metavar="INDEX", help="Folder of the index.")]
DataOption = Annotated[list[str], typer.Option("--data", metavar="SOURCE", help="kind:PATH of questions; repeatable.")]
RetrieverOption = Annotated[
    str, typer.Option("--retriever", metavar="NAME", help="hybrid, dense, bm25, tfidf or rank-bm25.")
]
FusionOption = Annotated[
    str | None, typer.Option("--fusion", metavar="METHOD", help="How hybrid fuses: zscore, minmax, raw or rrf.")
]
WeightOption = Annotated[
    list[str] | None, typer.Option("--weight", metavar="LIST=NUMBER", help="A list's weight in the fusion; repeatable.")
]
EncoderOption = Annotated[
    str | None, typer.Option("--encoder", metavar="NAME_OR_DIR", help="Where the index's encoder is now, if it moved.")
]
ReaderOption = Annotated[str, typer.Option("--reader", metavar="NAME_OR_DIR", help="The reader.")]
PrecisionOption = Annotated[str, typer.Option("--precision", help="Arithmetic of the model: auto, fp32 or bf16.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command("train-reader")
def train_reader_command(
    data: DataOption,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the reader; an interrupted run goes on in it.")
    ],
    base: Annotated[
        str | None, typer.Option(metavar="NAME_OR_DIR", help=f"The pretrained encoder. [default: {DEFAULT_ENCODER}]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings; options here win over it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(help="Padded tokens in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank of the LoRA adapter; 0 trains all weights.")] = None,
    negative_share: Annotated[
        float | None, typer.Option(help="Share of questions also shown a passage without their answer.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Arithmetic: auto, fp32 or bf16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and negatives.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Train an MRC reader on questions with answer offsets."""
    from dpr.reader.train import ReaderTraining, train_reader

    options = {
        "base": base,
        "epochs": epochs,
        "batch_tokens": batch_tokens,
        "learning_rate": learning_rate,
        "lora_rank": lora_rank,
        "negative_share": negative_share,
        "precision": precision,
        "seed": seed,
    }
    training = load_config(ReaderTraining, config, options)
    with show_progress() as progress:
        summary = train_reader(_examples(data), output, training, progress=progress)
    _show(summary, as_json)


@app.command("evaluate-reader")
def evaluate_reader_command(
    data: DataOption,
    reader: ReaderOption = str(DEFAULT_READER),
    rule: Annotated[
        str | None, typer.Option(metavar="NAME", help="squad-1.1, squad-2.0 or korquad-1.0; by default the data's own.")
    ] = None,
    negatives: Annotated[
        bool, typer.Option("--negatives", help="Ask each question of a passage without its answer too.")
    ] = False,
    tune_threshold: Annotated[
        bool, typer.Option("--tune-threshold", help="Choose the null threshold of best F1 and store it in the reader.")
    ] = False,
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a reader's exact match and F1 on the gold passages."""
    from dpr.reader.evaluate import best_threshold, choose_rule, evaluate_reader, read_gold
    from dpr.reader.features import add_negatives
    from dpr.reader.model import save_reader_config
    from dpr.reader.reader import load_reader

    examples = add_negatives(_examples(data), share=1.0 if negatives else 0.0, seed=1)
    model = load_reader(reader, precision)
    with show_progress() as progress:
        if tune_threshold:
            threshold = best_threshold(read_gold(model, examples, progress), examples)
            save_reader_config(Path(reader), replace(model.config, null_threshold=threshold))
            model = load_reader(reader, precision)
        chosen = rule or choose_rule(examples, is_korean=all(source.startswith("korquad:") for source in data))
        scores = evaluate_reader(model, examples, chosen, progress)
    _show({**scores.as_json(), "null_threshold": model.config.null_threshold}, as_json)


@app.command("benchmark")
def benchmark_command(
    index: IndexOption,
    questions: Annotated[str, typer.Option(metavar="SOURCE", help="kind:PATH of questions with gold passages.")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder of report.json, run files and recall.png.")],
    retrievers: Annotated[
        str, typer.Option(metavar="NAMES", help="Retrievers to compare, with commas between.")
    ] = "bm25,tfidf,dense,hybrid",
    k: Annotated[str, typer.Option(metavar="NUMBERS", help="Depths of recall, with commas between.")] = "1,5,20,100",
    fusion: FusionOption = None,
    weight: WeightOption = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare sparse, dense and hybrid retrieval on the same questions."""
    from dpr.benchmark import benchmark
    from dpr.data.passages import read_examples
    from dpr.search.open import open_index

    opened = open_index(index, encoder_name=encoder)
    command = shlex.join(["dpr", *sys.argv[1:]])
    with show_progress() as progress:
        report = benchmark(
            opened,
            read_examples(questions),
            [name.strip() for name in retrievers.split(",") if name.strip()],
            _depths(k),
            output,
            _fusion(fusion, weight),
            progress,
            source=questions,
            command=command,
        )
    if as_json:
        print_json(report.as_json())
        return
    head, *rows = report.table()
    columns = [name.replace("@", "\n@").replace("/", "\nper ").replace(" ms", "\nms") for name in head]
    table = Table(
        *columns,
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title=f"{report.questions.count:,} questions, {report.pool.passages:,} passages",
    )
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    Console(stderr=True).print(f"report, run files and recall.png are in {output}")


@app.command("search")
def search_command(
    question: Annotated[str, typer.Argument(help="The question.")],
    index: IndexOption,
    retriever: RetrieverOption = "hybrid",
    k: Annotated[int, typer.Option(help="How many passages, 1 to 100.")] = 10,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the passages for a question; every hit tells what each list says of it."""
    from dpr.pipeline import OpenQA
    from dpr.search.open import open_index

    pipeline = OpenQA(open_index(index, encoder_name=encoder), reader=None)
    [hits] = pipeline.retrieve([question], retriever, k, _fusion(fusion, weight))
    passages = pipeline.passages(hits)
    if as_json:
        print_json([{**asdict(hit), "passage": asdict(passage)} for hit, passage in zip(hits, passages, strict=True)])
        return
    table = Table("rank", "score", "lists", "passage", title=escape(question))
    for hit, passage in zip(hits, passages, strict=True):
        lists = "\n".join(
            f"{name}: {_place(entry.rank)} → {entry.contribution:+.3f}" for name, entry in hit.lists.items()
        )
        table.add_row(
            str(hit.rank), f"{hit.score:.3f}", lists, f"[b]{escape(passage.title)}[/b] {escape(passage.text)}"
        )
    Console().print(table)


@app.command("ask")
def ask_command(
    question: Annotated[str, typer.Argument(help="The question.")],
    index: IndexOption,
    reader: ReaderOption = str(DEFAULT_READER),
    retriever: RetrieverOption = "hybrid",
    k: Annotated[int, typer.Option(help="How many passages to read, 1 to 100.")] = 10,
    n_best: Annotated[int, typer.Option(help="How many answers, 1 to 20.")] = 1,
    encoder: EncoderOption = None,
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Answer a question from an index, with the passage that the answer stands in."""
    from dpr.pipeline import OpenQA
    from dpr.reader.reader import load_reader
    from dpr.search.open import open_index

    pipeline = OpenQA(open_index(index, encoder_name=encoder), load_reader(reader, precision))
    [answered] = pipeline.answer([question], retriever, k, n_best=n_best)
    if as_json:
        print_json(_answered_json(answered))
        return
    console = Console()
    if not answered.reading.is_answered:
        console.print("[yellow]no answer[/yellow] in these passages; the best guess would be:")
    passages = {passage.id: passage for passage in answered.passages}
    for answer in answered.reading.answers:
        passage = passages[answer.passage_id]
        before, after = escape(passage.text[: answer.start]), escape(passage.text[answer.end :])
        console.print(f"[b green]{escape(answer.text)}[/b green]  (score {answer.score:.2f})")
        console.print(f"  [b]{escape(passage.title)}[/b] {before}[reverse]{escape(answer.text)}[/reverse]{after}")


def _examples(sources: list[str]) -> list[Example]:
    """Read questions that say of themselves what a reader should do: answer, or find no answer."""
    from dpr.data.passages import read_examples

    read = (example for source in sources for example in read_examples(source))
    return [example for example in read if example.question.answers or example.is_impossible]


def _depths(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ConfigError(f"--k {text!r} is not a list of whole numbers; write for example --k 1,5,20,100") from None


def _fusion(method: str | None, weights: list[str] | None) -> Fusion | None:
    from dpr.search.fusion import Fusion

    if method is None and not weights:
        return None
    return Fusion(method or "zscore", dict(_weight(item) for item in weights) if weights else None)


def _weight(item: str) -> tuple[str, float]:
    name, _, number = item.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise ConfigError(f"--weight {item!r} is not LIST=NUMBER; write for example --weight bm25=0.7") from None


def _answered_json(answered: Answered) -> dict[str, object]:
    return {
        "question": answered.question,
        "is_answered": answered.reading.is_answered,
        "answers": [asdict(answer) for answer in answered.reading.answers],
        "passages": [asdict(passage) for passage in answered.passages],
        "timings": asdict(answered.timings),
        "generation": answered.generation,
    }


def _place(rank: int | None) -> str:
    return "absent" if rank is None else f"rank {rank}"


def _show(values: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        print_json(dict(values))
        return
    table = Table(show_header=False)
    for name, value in values.items():
        table.add_row(name.replace("_", " "), escape(str(value)))
    Console().print(table)


def main() -> None:
    """Run the command line."""
    run(app)
