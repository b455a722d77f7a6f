"""Benchmark of retrievers: the same questions over the same passages, one report in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from dpr.benchmark.answer_ranks import has_answers
from dpr.benchmark.assemble import ReportFacts, assemble, hit_depth, primary_metric
from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.gold import judge_questions
from dpr.benchmark.html_report import require_page
from dpr.benchmark.index_runs import refuse_unusable, search_index, with_training
from dpr.benchmark.outputs import refuse_same_files, write_all
from dpr.benchmark.outside_run import outside_run
from dpr.benchmark.report import BenchmarkReport
from dpr.benchmark.setup import Pool
from dpr.benchmark.side_by_side import OF, parts_of, plain_names
from dpr.benchmark.words import phrase
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.passages import read_examples
from dpr.search.contract import SearchableIndex
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, plain_name
from dpr.search.reranking import RerankOptions
from dpr.types import Example, Progress, no_progress


@dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """What a benchmark of retrieval measures, and what its report says of the questions.

    Attributes:
        retrievers: names of the index's retrievers, with ``+rerank`` for reranked ones, in the order of the report.
        ks: the depths of recall@k; max(ks), and at least 10, hits are retrieved.
        fusion: how ``hybrid`` fuses; None: the index's default.
        source: where the questions come from, for the report.
        without_text: how many questions the source judges but has no text of, for the report.
        command: the command line, for the report.
        primary: the metric that ranks the systems; empty: recall@5, or the recall next to it.
        runs: files of runs of other programs, by the names of their systems.
        rules: how these files are read, and the source.
    """

    retrievers: Sequence[str]
    ks: Sequence[int]
    fusion: Fusion | None = None
    source: str = ""
    without_text: int = 0
    command: str = ""
    primary: str = ""
    runs: Mapping[str, Path] = field(default_factory=dict)
    rules: ReadRules = UTF8_RULES


def benchmark(
    index: SearchableIndex,
    examples: Iterable[Example],
    options: BenchmarkOptions,
    output: Path,
    progress: Progress = no_progress,
) -> BenchmarkReport:
    """Search the same questions with every retriever; write how well and how fast each one retrieves.

    The passages of a question's ``excluded_ids`` are left out of its hits, in the metrics and in the run files.

    Args:
        index: the open index.
        examples: questions with their gold passages.
        options: the retrievers, the depths, the fusion and the facts for the report.
        output: the folder to write into, created if it does not exist.
        progress: called after every batch of questions.

    Raises:
        RequestError: no or an unknown retriever, no k, a k above a retriever's limit, or a fusion without
            ``hybrid``.
        ConfigError: the primary metric is none that is measured, a retriever is named twice, or a run has the file
            name of another.
        DataError: two questions share an id or one has none, none can be judged, or no gold passage is in the index.
        MissingDependencyError: jinja2 or vl-convert-python is not installed.
    """
    require_page()
    depth = hit_depth(options.ks)
    refuse_unusable(plain_names(options.retrievers), options.fusion)
    refuse_same_files(options.retrievers, options.runs)
    judged = judge_questions(index.passages, examples)
    primary = primary_metric(options.primary, options.ks, has_answers(judged.examples))
    outside = [outside_run(name, path, judged, index.passages, options.rules) for name, path in options.runs.items()]
    read = partial(read_examples, rules=options.rules)
    runs = [
        replace(run, name=f"{of}{OF}{run.name}", summary=phrase("of an index", {"system": run.summary, "index": of}))
        if of
        else run
        for of, opened, names in parts_of(index, options.retrievers)
        for run in with_training(
            search_index(opened, names, judged, depth, options.fusion, progress), opened, judged, options.source, read
        )
    ]
    runs.sort(key=lambda run: options.retrievers.index(run.name))  # as they were named, not by index
    runs += outside
    facts = ReportFacts(
        pool=Pool(len(index.passages), index.generation),
        question_set=judged.question_set(options.source, options.without_text),
        ks=options.ks,
        depth=depth,
        command=options.command,
        reranker=_reranker_used(runs, index.rerank),
        primary=primary,
    )
    report = assemble(judged, runs, facts, index.passages, progress)
    write_all(output, report, runs, judged.qrels, progress)
    return report


def _reranker_used(runs: Sequence[SystemRun], options: RerankOptions | None) -> dict[str, object] | None:
    """Return the reranker, and the milliseconds that it added to a question of a batch, by retriever."""
    reranked = {run.name: plain_name(run.name) for run in runs if run.name.endswith(RERANKED)}
    if options is None or not reranked:
        return None
    ms = {run.name: run.cost.batch_ms_per_question for run in runs if run.cost}
    added_ms = {plain: ms[name] - ms[plain] for name, plain in reranked.items() if plain in ms}
    return {**options.as_json(), "added_ms_per_question": added_ms}
