"""The systems of one index: its retrievers, searched one after the other, with cost, explanations and training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from dpr.benchmark.contestant import SystemRun
from dpr.benchmark.gold import JudgedQuestions
from dpr.benchmark.index_cost import HasManifest, build_seconds, index_bytes, lists_of
from dpr.benchmark.memory import MemoryGrowth
from dpr.benchmark.searching import explainer, search_all
from dpr.benchmark.training import Read, trained_on, training_record
from dpr.benchmark.words import Bilingual, phrase
from dpr.errors import RequestError
from dpr.search.contract import Retriever, SearchableIndex
from dpr.search.fusion import Fusion
from dpr.search.registry import RERANKED, RETRIEVERS, choices, fused_lists, fuses, plain_name
from dpr.text.scripts import HANGUL
from dpr.types import Progress, Question, no_progress

_HANGUL = re.compile(f"[{HANGUL}]")

ANALYZER = "analyzer"
"""What sparse lists share, for the memory that each of them needs."""


def refuse_unusable(names: Sequence[str], fusion: Fusion | None) -> None:
    """Refuse to measure nothing, or to fuse where nothing fuses.

    Raises:
        RequestError: there is no name, or a fusion while none of the retrievers fuses.
    """
    if not names:
        raise RequestError("there is no retriever to measure: choose at least one, such as bm25", field="retriever")
    if fusion is not None and not any(map(fuses, names)):
        fusing = choices(filter(fuses, RETRIEVERS))
        raise RequestError(
            f"a fusion is given, but none of {', '.join(names)} fuses; leave it out, or measure {fusing}"
        )


def search_index(
    index: SearchableIndex,
    names: Sequence[str],
    judged: JudgedQuestions,
    depth: int,
    fusion: Fusion | None = None,
    progress: Progress = no_progress,
) -> list[SystemRun]:
    """Search all questions with every retriever, in their order.

    Args:
        index: the open index.
        names: its retrievers.
        judged: the questions.
        depth: how many hits to retrieve.
        fusion: how ``hybrid`` fuses; None: the index's default.
        progress: called after every batch of questions.

    Raises:
        RequestError: the index has no such retriever, or it cannot serve that many hits.
    """
    opener = _Opener(index, fusion, _first_of_each_script(judged.questions), depth + judged.most_excluded)
    memory = MemoryGrowth(opener.open)
    memory_bytes = {name: memory.of(name, _shared(index, name)) for name in names}
    retrievers = {name: opener.retrievers[name] for name in names}
    runs = []
    for name, retriever in retrievers.items():
        run = search_all(retriever, judged, depth, name, progress)
        cost = replace(run.cost, memory_bytes=memory_bytes[name]) if run.cost else None
        if cost is not None and isinstance(index, HasManifest):
            manifest = index.manifest
            cost = replace(cost, index_bytes=index_bytes(manifest, name), build_s=build_seconds(manifest, name))
        runs.append(
            replace(
                run,
                cost=cost,
                summary=summary_of(name),
                explain=explainer(retriever, run.run, index.passages),
                fusion=retriever.fusion,
            )
        )
    return runs


def summary_of(name: str) -> Bilingual:
    """Return what a retriever of an index is, in a few words."""
    plain = plain_name(name)
    names = [plain] if plain in RETRIEVERS else fused_lists(plain)
    phrases = [phrase(RETRIEVERS[item].summary) for item in names if item in RETRIEVERS]
    summary = Bilingual(" and ".join(each.english for each in phrases), ", ".join(each.korean for each in phrases))
    if len(phrases) > 1:
        summary = phrase("fused", {"lists": summary})
    return phrase("reranked", {"system": summary}) if name.endswith(RERANKED) else summary


def _first_of_each_script(questions: Sequence[Question]) -> list[str]:
    """Return the first question, and the first one with Hangul: an analyzer may load its dictionary for it alone."""
    with_hangul = (question.text for question in questions if _HANGUL.search(question.text))
    return list(dict.fromkeys([questions[0].text, next(with_hangul, questions[0].text)]))


@dataclass(slots=True)
class _Opener:
    """Opens retrievers and searches once with each: the first search may compile, load a model or refuse the depth."""

    index: SearchableIndex
    fusion: Fusion | None
    questions: list[str]
    depth: int
    retrievers: dict[str, Retriever] = field(default_factory=dict)

    def open(self, name: str) -> None:
        """Open a retriever, or the analyzer."""
        if name == ANALYZER and isinstance(self.index, HasManifest):
            list(self.index.analyzer().questions(self.questions))
            return
        retriever = self.index.retriever(name, self.fusion if fuses(name) else None)
        retriever.search(self.questions, self.depth)
        self.retrievers[name] = retriever


def _shared(index: SearchableIndex, name: str) -> tuple[str, ...]:
    """Return what a retriever needs beside itself, so that each system's memory counts all that it uses."""
    if not isinstance(index, HasManifest):
        return ()
    lists = lists_of(name)
    return (ANALYZER, *lists) if any(part in index.manifest.weights for part in lists) else lists


def with_training(
    runs: Sequence[SystemRun], index: SearchableIndex, judged: JudgedQuestions, source: str, read: Read
) -> list[SystemRun]:
    """Return the runs of an index with what the models of each were trained on of the questions from a source.

    ``read`` reads the questions of the source, and of ranges of its articles.
    """
    if not source:
        return list(runs)
    models_of = {run.name: _models_of(index, run.name) for run in runs}
    training = {
        model: trained_on(model, training_record(model), source, judged.examples, read)
        for model in dict.fromkeys(chain.from_iterable(models_of.values()))
    }
    return [
        replace(
            run,
            trained_on=frozenset().union(*(training[model].questions for model in models_of[run.name])),
            warnings=tuple(warning for model in models_of[run.name] for warning in training[model].warnings),
        )
        for run in runs
    ]


def _models_of(index: SearchableIndex, name: str) -> list[str]:
    """Return the folders or hub names of the models that a retriever uses, its reranker's last."""
    models = []
    if isinstance(index, HasManifest):
        for part in lists_of(name):
            if part == "dense":
                models.append(index.encoder_name())
            elif part in index.manifest.learned:
                models.append(index.manifest.learned[part].name)
    if name.endswith(RERANKED) and index.rerank is not None:
        models.append(index.rerank.type_and_name[1])
    return models
