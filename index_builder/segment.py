"""Write one segment from a corpus: its passages, their terms, their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from dpr.array_files import open_vectors
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import NothingNewError
from dpr.store.draft import GenerationDraft
from dpr.store.manifest import DenseRecord, SegmentRecord
from dpr.store.passages import PassageStore
from dpr.store.windows import WindowRule, WindowTexts, open_windows
from dpr.types import Analyzer, Encoder, Progress
from index_builder.chunking import ChunkOptions, Cutter
from index_builder.corpus import NOTHING_INDEXED, Corpus, Indexed, write_corpus
from index_builder.dense import DenseOptions, build_dense
from index_builder.encode import EncodeRunner, cut_passages, encode_locally, write_vectors
from index_builder.estimate import check_memory
from index_builder.external import segment_content
from index_builder.learned import LearnedEncoders, write_learned
from index_builder.local_sources import Source
from index_builder.sparse import CountRunner, count_locally, count_terms
from index_builder.steps import Steps
from index_builder.windows import Vectors, write_windows


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """The sources, models and options of a segment; without ``chunk``, nothing is cut.

    Fewer than ``exact_below`` vectors are searched exactly, whatever the options say. The ``questions`` must reach the
    target recall, too. Long passages are encoded in ``windows``, if there is a rule for them. ``learned`` has the model
    of each learned list.
    """

    sources: Sequence[Source]
    encoder: Encoder | None
    analyzer: Analyzer
    _: KW_ONLY
    dense: DenseOptions = field(default_factory=DenseOptions)
    chunk: ChunkOptions | None = None
    run: EncodeRunner = encode_locally
    count: CountRunner = count_locally
    exact_below: int = 0
    questions: Sequence[str] = ()
    windows: WindowRule | None = None
    rules: ReadRules = UTF8_RULES
    learned: LearnedEncoders = field(default_factory=dict)


def write_segment(
    plan: SegmentPlan, draft: GenerationDraft, step: Steps, progress: Progress, indexed: Indexed = NOTHING_INDEXED
) -> tuple[SegmentRecord, Corpus]:
    """Write the files of a draft's segment; return its record for the manifest, and the counts of each source.

    Passages that are ``indexed`` already are left out.

    Raises:
        DataError: a source cannot be used.
        NothingNewError: all passages are indexed already.
        ModelError: the encoder returned something other than vectors.
    """
    cutter = Cutter(plan.chunk, plan.encoder)
    corpus = step(
        "corpus",
        Corpus,
        lambda: write_corpus(plan.sources, draft.segment, cutter, progress, indexed, plan.rules),
    )
    passages = PassageStore.open(draft.segment.passages)
    if not len(passages):
        draft.discard()
        raise NothingNewError("the index has all passages of the sources already; nothing was added")
    with step.timed("terms"):
        counts = count_terms(passages, plan.analyzer, draft, progress, run=plan.count)
    vectors = _count_vectors(plan, draft, passages, step, progress)
    dense = _write_vectors(plan, draft, passages, vectors, step, progress)
    learned = {}
    if plan.learned:
        with step.timed("learned"):
            learned = write_learned(plan.learned, passages, draft, progress)
    return (
        SegmentRecord(
            id=draft.segment_id,
            passages=len(passages),
            terms=len(counts.vocabulary),
            postings=len(counts.rows),
            dense=dense,
            cut=cut_passages(draft) if plan.encoder else None,
            vectors=vectors,
            fields=corpus.fields,
            learned=learned,
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
    counted = step("windows", Vectors, lambda: write_windows(passages, rule, encoder, draft.segment.windows, progress))
    return counted.vectors


def _write_vectors(
    plan: SegmentPlan, draft: GenerationDraft, passages: PassageStore, total: int, step: Steps, progress: Progress
) -> DenseRecord | None:
    encoder = plan.encoder
    if encoder is None:
        return None
    dense = plan.dense.for_vectors(total, plan.exact_below)
    for index_type in dense.index_types:
        check_memory(index_type, total, encoder.dimension)
        index_type.check_reachable()
    has_windows = total > len(passages)
    windows = open_windows(draft.segment.windows, total) if has_windows else None
    texts = passages if windows is None else WindowTexts(passages, windows)
    with step.timed("encode"):
        write_vectors(texts, encoder, draft, plan.run, progress)
    vectors = open_vectors(draft.segment.vectors, total, encoder.dimension)

    def make() -> DenseRecord:
        measures_question_recall = dense.target_recall is not None and plan.questions
        question_vectors = encoder.encode_questions(plan.questions) if measures_question_recall else None
        content = segment_content(draft.segment_id, draft.segment, vectors, windows)
        return build_dense(dense, content, draft.segment.dense, progress, question_vectors)

    return step("dense", DenseRecord, make)
