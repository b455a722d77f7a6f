"""A corpus to one segment: its passages, their terms, their vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dpr.errors import DataError
from dpr.store.arrays import open_vectors
from dpr.store.generation import GenerationDraft
from dpr.store.manifest import DenseRecord, SegmentRecord, SourceRecord
from dpr.store.passages import PassageStore
from dpr.types import Analyzer, Encoder, Progress
from index_builder.corpus import Chunking, Known, token_counter, write_corpus
from index_builder.dense import CHOSEN_KIND, EXACT_KIND, build_dense
from index_builder.encode import EncodeRunner, cut_passages, encode_locally, write_vectors
from index_builder.estimate import refuse_what_cannot_fit
from index_builder.sparse import count_terms
from index_builder.steps import Steps


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a segment is made of, and how; without ``chunk_tokens``, passages are as the sources give them.

    Below ``exact_below`` passages, its vectors are searched exactly, whatever the ``dense_kind``. The ``target_recall``
    is to hold for the ``questions`` too.
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
        lambda: Corpus(write_corpus(plan.sources, draft.segment.passages, _chunking(plan), progress, known)),
    )
    passages = PassageStore.open(draft.segment.passages)
    if not len(passages):
        draft.discard()
        raise DataError("the index has all passages of the sources already; there is nothing to add")
    with step.timed("terms"):
        counts = count_terms(passages, plan.analyzer, draft, progress)
    return (
        SegmentRecord(
            id=draft.segment_id,
            passages=len(passages),
            terms=len(counts.vocabulary),
            postings=len(counts.rows),
            dense=_write_vectors(plan, draft, passages, step, progress),
            cut=cut_passages(draft) if plan.encoder else None,
        ),
        corpus,
    )


def _chunking(plan: SegmentPlan) -> Chunking | None:
    if plan.chunk_tokens is None:
        return None
    return Chunking(plan.chunk_tokens, plan.overlap_tokens, token_counter(plan.encoder))


def _write_vectors(
    plan: SegmentPlan, draft: GenerationDraft, passages: PassageStore, step: Steps, progress: Progress
) -> DenseRecord | None:
    encoder = plan.encoder
    if encoder is None:
        return None
    is_small = len(passages) < plan.exact_below
    kind, parameters = (EXACT_KIND, {}) if is_small else (plan.dense_kind, plan.dense_parameters)
    if kind != CHOSEN_KIND:
        refuse_what_cannot_fit(kind, parameters, len(passages), encoder.dimension)
    with step.timed("encode"):
        write_vectors(passages, encoder, draft, plan.run, progress)
    vectors = open_vectors(draft.segment.vectors, len(passages), encoder.dimension)
    target = None if is_small else plan.target_recall

    def make() -> DenseRecord:
        questions = encoder.encode_questions(plan.questions) if target and plan.questions else None
        return build_dense(kind, parameters, vectors, draft.segment.dense, progress, target, questions)

    return step("dense", DenseRecord, make)
