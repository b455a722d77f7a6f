"""A corpus to one segment: its passages, their terms, their vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import DataError
from dpr.store.arrays import open_vectors
from dpr.store.generation import GenerationDraft
from dpr.store.manifest import DenseRecord, SegmentRecord, SourceRecord
from dpr.store.passages import PassageStore
from dpr.store.windows import WindowRule, open_windows
from dpr.types import Analyzer, Encoder, Progress
from index_builder.corpus import Chunking, Known, token_counter, write_corpus
from index_builder.dense import CHOSEN_KIND, EXACT_KIND, build_dense
from index_builder.encode import EncodeRunner, cut_passages, encode_locally, write_vectors
from index_builder.estimate import refuse_what_cannot_fit
from index_builder.sparse import count_terms
from index_builder.steps import Steps
from index_builder.windows import Vectors, write_windows


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a segment is made of, and how; without ``chunk_tokens``, passages are as the sources give them.

    Below ``exact_below`` vectors, they are searched exactly, whatever the ``dense_kind``. The ``target_recall``
    is to hold for the ``questions`` too. Long passages are encoded in ``windows``, if there is a rule for them.
    """

    sources: Sequence[str]
    encoder: Encoder | None
    analyzer: Analyzer
    dense_kind: str = EXACT_KIND
    dense_parameters: Mapping[str, int] = field(default_factory=dict)
    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    run: EncodeRunner = encode_locally
    exact_below: int = 0
    target_recall: float | None = None
    questions: Sequence[str] = ()
    windows: WindowRule | None = None
    rules: ReadRules = UTF8_RULES


@dataclass(frozen=True, slots=True)
class Corpus:
    """What reading the sources gave."""

    sources: tuple[SourceRecord, ...]


def write_segment(
    plan: SegmentPlan, draft: GenerationDraft, step: Steps, progress: Progress, known: Known | None = None
) -> tuple[SegmentRecord, Corpus]:
    """Write the files of a draft's segment; return what the manifest says of it, and what each source gave.

    Passages that are ``known`` already are left out.

    Raises:
        DataError: a source cannot be used.
        ModelError: the encoder gave something that is no vector.
    """
    corpus = step(
        "corpus",
        Corpus,
        lambda: Corpus(
            write_corpus(plan.sources, draft.segment.passages, _chunking(plan), progress, known, plan.rules)
        ),
    )
    passages = PassageStore.open(draft.segment.passages)
    if not len(passages):
        draft.discard()
        raise DataError("the index has all passages of the sources already; there is nothing to add")
    with step.timed("terms"):
        counts = count_terms(passages, plan.analyzer, draft, progress)
    vectors = _count_vectors(plan, draft, passages, step, progress)
    return (
        SegmentRecord(
            id=draft.segment_id,
            passages=len(passages),
            terms=len(counts.vocabulary),
            postings=len(counts.rows),
            dense=_write_vectors(plan, draft, passages, vectors, step, progress),
            cut=cut_passages(draft) if plan.encoder else None,
            vectors=vectors,
        ),
        corpus,
    )


def _chunking(plan: SegmentPlan) -> Chunking | None:
    if plan.chunk_tokens is None:
        return None
    return Chunking(plan.chunk_tokens, plan.overlap_tokens, token_counter(plan.encoder))


def _count_vectors(
    plan: SegmentPlan, draft: GenerationDraft, passages: PassageStore, step: Steps, progress: Progress
) -> int:
    """Return how many vectors the passages will have, after writing the windows of long ones."""
    encoder, rule = plan.encoder, plan.windows
    if encoder is None:
        return 0
    if rule is None:
        return len(passages)
    made = step("windows", Vectors, lambda: write_windows(passages, rule, encoder, draft.segment.windows, progress))
    return made.vectors


def _write_vectors(
    plan: SegmentPlan, draft: GenerationDraft, passages: PassageStore, total: int, step: Steps, progress: Progress
) -> DenseRecord | None:
    encoder = plan.encoder
    if encoder is None:
        return None
    is_small = total < plan.exact_below
    kind, parameters = (EXACT_KIND, {}) if is_small else (plan.dense_kind, plan.dense_parameters)
    if kind != CHOSEN_KIND:
        refuse_what_cannot_fit(kind, parameters, total, encoder.dimension)
    windows = open_windows(draft.segment.windows, total) if total > len(passages) else None
    with step.timed("encode"):
        write_vectors(passages, encoder, draft, plan.run, progress, windows=windows)
    vectors = open_vectors(draft.segment.vectors, total, encoder.dimension)
    target = None if is_small else plan.target_recall

    def make() -> DenseRecord:
        questions = encoder.encode_questions(plan.questions) if target and plan.questions else None
        return build_dense(kind, parameters, vectors, draft.segment.dense, progress, target, questions)

    return step("dense", DenseRecord, make)
