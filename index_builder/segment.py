"""A corpus to one segment: its passages, their terms, their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from dpr.array_files import open_vectors
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import DataError
from dpr.store.draft import GenerationDraft
from dpr.store.manifest import DenseRecord, SegmentRecord, SourceRecord
from dpr.store.passages import PassageStore
from dpr.store.windows import WindowRule, WindowTexts, open_windows
from dpr.types import Analyzer, Encoder, PassagePool, Progress
from index_builder.corpus import Chunking, ChunkOptions, token_counter, write_corpus
from index_builder.dense import DenseOptions, build_dense
from index_builder.encode import EncodeRunner, cut_passages, encode_locally, write_vectors
from index_builder.estimate import refuse_what_cannot_fit
from index_builder.sparse import count_terms
from index_builder.steps import Steps
from index_builder.windows import Vectors, write_windows


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a segment is made of, and how; without ``chunk``, passages are as the sources give them.

    Below ``exact_below`` vectors, they are searched exactly, whatever the options say. A target recall is to hold for
    the ``questions`` too. Long passages are encoded in ``windows``, if there is a rule for them.
    """

    sources: Sequence[str]
    encoder: Encoder | None
    analyzer: Analyzer
    _: KW_ONLY
    dense: DenseOptions = field(default_factory=DenseOptions)
    chunk: ChunkOptions | None = None
    run: EncodeRunner = encode_locally
    exact_below: int = 0
    questions: Sequence[str] = ()
    windows: WindowRule | None = None
    rules: ReadRules = UTF8_RULES


@dataclass(frozen=True, slots=True)
class Corpus:
    """What reading the sources gave."""

    sources: tuple[SourceRecord, ...]


def write_segment(
    plan: SegmentPlan, draft: GenerationDraft, step: Steps, progress: Progress, known: PassagePool | None = None
) -> tuple[SegmentRecord, Corpus]:
    """Write the files of a draft's segment; return what the manifest says of it, and what each source gave.

    Passages that are ``known`` already are left out.

    Raises:
        DataError: a source cannot be used.
        ModelError: the encoder gave something that is no vector.
    """
    chunking = None if plan.chunk is None else Chunking(plan.chunk, token_counter(plan.encoder))
    corpus = step(
        "corpus",
        Corpus,
        lambda: Corpus(write_corpus(plan.sources, draft.segment.passages, chunking, progress, known, plan.rules)),
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
    dense = DenseOptions() if total < plan.exact_below else plan.dense.for_vectors(total)
    for kind in dense.kinds:
        refuse_what_cannot_fit(kind, total, encoder.dimension)
    has_windows = total > len(passages)
    texts = WindowTexts(passages, open_windows(draft.segment.windows, total)) if has_windows else passages
    with step.timed("encode"):
        write_vectors(texts, encoder, draft, plan.run, progress)
    vectors = open_vectors(draft.segment.vectors, total, encoder.dimension)

    def make() -> DenseRecord:
        measures_questions = dense.target_recall is not None and plan.questions
        question_vectors = encoder.encode_questions(plan.questions) if measures_questions else None
        return build_dense(dense, vectors, draft.segment.dense, progress, question_vectors)

    return step("dense", DenseRecord, make)
