"""On real questions, an index in a database has the hits of the same index in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpr.array_files import open_vectors
from dpr.config import DEFAULT_ENCODER
from dpr.data.passages import read_examples
from dpr.measured import EncodedPassages
from dpr.models.encoders import load_encoder
from dpr.search.open import OpenIndex, open_index
from dpr.store.layout import IndexLayout
from dpr.store.windows import EncodedTexts
from dpr.text.registry import analyzer
from dpr.types import Encoder, FloatArray, Hit, IntArray, Progress, no_progress
from index_builder.build import BuildOptions, Runners, build
from index_builder.dense import DenseOptions
from tests.kinds import kinds

QUESTIONS = 600


@dataclass(frozen=True)
class Recorded:
    """An `EncodeRunner` that has the vectors already."""

    vectors: FloatArray

    def __call__(
        self, passages: EncodedTexts, shards: Sequence[IntArray], encoder: Encoder, progress: Progress = no_progress
    ) -> Iterator[tuple[int, EncodedPassages]]:
        assert len(passages) == len(self.vectors)
        for number, rows in enumerate(shards):
            yield number, EncodedPassages(self.vectors[rows], None)


@dataclass(frozen=True)
class Squad:
    """The index of SQuAD's passages in files, its vectors, and the hits of questions."""

    source: str
    encoder: Encoder
    vectors: FloatArray
    questions: list[str]
    hits: dict[str, list[list[Hit]]]


@pytest.fixture(scope="module")
def squad(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Squad:
    source = f"squad:{shared_data}/squad/dev-v1.1.json"
    encoder, root = load_encoder(DEFAULT_ENCODER), tmp_path_factory.mktemp("squad") / "index"
    manifest = build(BuildOptions(sources=(source,), output=root), encoder, analyzer("ko-en"))
    (record,) = manifest.segments
    vectors = open_vectors(IndexLayout(root).segment(record.id).vectors, record.vectors, encoder.dimension)
    texts = [example.question.text for example in read_examples(source)]
    questions = texts[:: len(texts) // QUESTIONS][:QUESTIONS]
    assert manifest.vectors > manifest.passages  # some passages are in windows
    return Squad(source, encoder, vectors, questions, retrieved(open_index(root, encoder), questions))


def retrieved(index: OpenIndex, questions: list[str]) -> dict[str, list[list[Hit]]]:
    return {name: index.retriever(name).search(questions, 20) for name in ("dense", "hybrid")}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.marks])
def test_squad_has_the_same_hits(kind: str, squad: Squad, tmp_path: Path) -> None:
    options = BuildOptions(sources=(squad.source,), output=tmp_path / "index", dense=DenseOptions(kind))
    build(options, squad.encoder, analyzer("ko-en"), runners=Runners(encode=Recorded(squad.vectors)))
    index = open_index(tmp_path / "index", squad.encoder)
    assert index.manifest.dense is not None
    actual = retrieved(index, squad.questions)
    assert len(squad.questions) >= 500
    if index.manifest.dense.recall is None:  # exact: ids, scores, windows, and the order of the fusion
        assert actual == squad.hits
        return
    for name, hits in squad.hits.items():
        shares = [
            len({hit.passage_id for hit in of_files} & {hit.passage_id for hit in of_database}) / len(of_files)
            for of_files, of_database in zip(hits, actual[name], strict=True)
        ]
        assert sum(shares) / len(shares) > 0.98, name
