"""Build and change indexes from Python: the commands of ``dpr-index`` as functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dpr.config import AUTO_COMPUTE, DEFAULT_ENCODER, ComputeOptions
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.errors import ConfigError, NothingNewError
from dpr.store.current import current_number
from dpr.store.generation import read_current
from dpr.store.manifest import Manifest
from dpr.store.windows import DEFAULT_WINDOWS, WindowRule
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.text.registry import check_analyzer
from dpr.types import Encoder, Progress, no_progress
from dpr.value_types import check_fields, checks_types
from index_builder.build import BuildOptions, build
from index_builder.chunking import CUT_DOCUMENTS, ChunkOptions
from index_builder.corpus import check_sources
from index_builder.current import RecordedEncoder
from index_builder.dense import DenseOptions
from index_builder.learned import check_lists, load_learned_encoders
from index_builder.sparse import Bm25Options
from index_builder.spool import Corpus, sources_of
from index_builder.update import AddOptions, add, delete


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """The options of an index.

    Attributes:
        analyzer: the name of the text analyzer: ``ko-en``, ``korean``, ``english``, ``words`` or ``ngram``.
        dense: how vectors are searched.
        bm25: how terms are weighed.
        chunk: how texts are cut; by default documents are, and rows are passages; None: nothing is cut.
        windows: how long passages are cut into windows; None: only their beginning is encoded.
        rules: how sources are read, whether bad rows are skipped, and the types of further fields of the passages.
        learned: the model of each learned list, by its name: ``{"splade": NAME, "colbert": NAME}``.

    Raises:
        ConfigError: there is no such analyzer or learned list, or an option is of another type.
    """

    analyzer: str = "ko-en"
    dense: DenseOptions = field(default_factory=DenseOptions)
    bm25: Bm25Options = field(default_factory=Bm25Options)
    chunk: ChunkOptions | None = CUT_DOCUMENTS
    windows: WindowRule | None = DEFAULT_WINDOWS
    rules: ReadRules = UTF8_RULES
    learned: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_fields(self)
        check_analyzer(self.analyzer)
        check_lists(self.learned)


@checks_types(but=("corpus",))
def build_index(
    corpus: Corpus,
    index: str | Path,
    *,
    encoder: str | Path | Encoder | None = DEFAULT_ENCODER,
    options: IndexOptions = IndexOptions(),
    compute: ComputeOptions = AUTO_COMPUTE,
    progress: Progress = no_progress,
) -> Manifest:
    """Index a corpus and publish it as the next generation of an index.

    Args:
        corpus: a file, a folder or ``kind:PATH``, several of them, or passages: `dpr.Passage`s, or dicts with the
            fields of a row of a file (``text``, and if there are, ``id``, ``title``, ``document_id``, ``start``);
            further fields are metadata, which hits have and filters test.
        index: the folder of the index, created if it does not exist.
        encoder: the encoder, or its folder or hub name; None: an index without vectors.
        options: the options of the index.
        compute: precision and backend of a loaded encoder.
        progress: called with every stage.

    Returns:
        The manifest of the generation.

    Raises:
        DataError: a source cannot be read or is empty, a row is bad, or an id comes again with other content.
        ConfigError: an option cannot be used.
        ModelError: the encoder cannot be loaded.
        IndexLockedError: another process is writing the index.
    """
    root = Path(index)
    analyzer = analyzer_by_name(options.analyzer)
    with sources_of(corpus, root, options.rules) as sources:
        build_options = BuildOptions(
            sources=sources,
            output=root,
            dense=options.dense,
            bm25=options.bm25,
            chunk=options.chunk,
            windows=options.windows,
            command="dpr.build_index",
            rules=options.rules,
        )
        check_sources(sources, options.rules)
        learned = load_learned_encoders(options.learned, compute)
        return build(build_options, _encoder(encoder, compute), analyzer, progress, learned=learned)


@checks_types(but=("corpus",))
def add_passages(
    corpus: Corpus,
    index: str | Path,
    *,
    replace: bool = False,
    encoder: str | Path | Encoder | None = None,
    compute: ComputeOptions = AUTO_COMPUTE,
    rules: ReadRules = UTF8_RULES,
) -> Manifest:
    """Add passages to an index and publish its next generation; skip passages that it has already.

    If it has all of them, nothing is published, and the manifest is that of the published generation.

    Args:
        corpus: as for `build_index`.
        index: the folder of the index.
        replace: first delete all passages of the corpus' documents from the index; a passage without a document
            counts as its own document.
        encoder: the index's encoder, or where it is now; None: the index's recorded one.
        compute: precision and backend of a loaded encoder.
        rules: how sources are read, and whether bad rows are skipped.

    Raises:
        DataError: a source cannot be used, or has an id that the index has with other content.
        ConfigError: an encoder is given, and the index has no vectors.
        ModelError: the encoder cannot be loaded.
        IndexFormatError: there is no index, or the encoder is not the one that it was made with.
        IndexLockedError: another process is writing the index.
    """
    root = Path(index)
    index_encoder: Encoder | RecordedEncoder
    if encoder is None or isinstance(encoder, str | Path):
        index_encoder = RecordedEncoder(str(encoder) if encoder else None, compute)
    else:
        index_encoder = encoder
    current_number(root)  # a folder without an index is refused before the passages are written beside it
    with sources_of(corpus, root, rules) as sources:
        add_options = AddOptions(sources=sources, index=root, replaces=replace, rules=rules, command="dpr.add_passages")
        try:
            return add(add_options, index_encoder)
        except NothingNewError:
            return read_current(root)


@checks_types()
def delete_passages(ids: str | Collection[str], index: str | Path) -> Manifest:
    """Delete passages by their ids, or by their documents' ids; the index's next generation is published.

    Raises:
        DataError: an id is that of no passage and of no document, or nothing would be left.
        ConfigError: there is no id.
        IndexFormatError: there is no index.
        IndexLockedError: another process is writing the index.
    """
    root, names = Path(index), {ids} if isinstance(ids, str) else set(ids)
    if not names:
        raise ConfigError("there is nothing to delete; give the id of at least one passage or document")
    return delete(root, names, command="dpr.delete_passages")


def _encoder(encoder: str | Path | Encoder | None, compute: ComputeOptions) -> Encoder | None:
    if not isinstance(encoder, str | Path):
        return encoder
    from dpr.models.encoders import load_encoder

    return load_encoder(encoder, compute.precision, compute.backend)
