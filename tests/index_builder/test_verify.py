from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpr.dense.index_types import INDEX_TYPES
from dpr.errors import IndexFormatError
from dpr.sparse.counts import TermCounts
from dpr.store.manifest import record_file, signed
from dpr.store.passages import write_passages
from dpr.types import Passage
from index_builder.dense import DenseOptions
from index_builder.verify import Verification, verify_index
from tests.fakes import WordAnalyzer
from tests.small_index import PASSAGES, small_index


class ShoutingAnalyzer(WordAnalyzer):
    """Says that it is the analyzer of the index, and makes other terms."""

    def terms(self, text: str) -> list[str]:
        return text.upper().split()


@pytest.fixture(scope="module", params=["flat", "hnsw"])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("verify") / "index"
    small_index(root, dense=DenseOptions(request.param))
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path / "index")


def verified(root: Path) -> Verification:
    return verify_index(root, WordAnalyzer())


def segment(root: Path) -> Path:
    return next((root / "segments").iterdir())


def record_again(root: Path, **changes: Any) -> None:
    """Make the manifest agree with files that were changed, so that only their meaning is wrong."""
    path = root / "generations" / "000001.json"
    document = json.loads(path.read_text(encoding="utf-8")) | changes
    for name in document["files"]:
        record = record_file(root / name)
        document["files"][name] = {"size_bytes": record.size_bytes, "sha256": record.sha256}
    path.write_text(json.dumps(signed(document)), encoding="utf-8")


def test_a_sound_index_passes_every_check(published: Path) -> None:
    verification = verified(published)
    assert verification.generation == "000001"
    names = list(verification.checks)
    assert names == [
        "checksums", "passages", "fields", "ids", "counts", "weights", "sparse probes", "vectors", "windows",
        "dense probes", "dense recall",
    ]  # fmt: skip
    assert all(verification.checks.values())


def test_a_sparse_index_passes_its_checks(tmp_path: Path) -> None:
    small_index(tmp_path / "index", encoder=None)
    assert "vectors" not in verified(tmp_path / "index").checks


def test_hundreds_of_equal_passages_pass(tmp_path: Path) -> None:
    """A passage may be outranked by its twins; that is no damage."""
    twins = [Passage(f"p{number:03}", "the same text") for number in range(300)]
    verified_root = tmp_path / "index"
    small_index(verified_root, twins)
    verified(verified_root)


def test_one_flipped_bit_in_any_file_is_found(root: Path) -> None:
    """In files of data any byte does as well as another: they are hashed whole."""
    for path in [item for item in sorted(root.rglob("*")) if item.is_file() and item.name != ".lock"]:
        sound = path.read_bytes()
        is_text = path.suffix == ".json" or path.name == "CURRENT"
        for position in range(0, len(sound), 7) if is_text else (0, len(sound) // 2, len(sound) - 1):
            flipped = bytearray(sound)
            flipped[position] ^= 1 << position % 7
            path.write_bytes(flipped)
            if is_text and sound.split() == bytes(flipped).split():
                continue  # white space says nothing
            with pytest.raises(IndexFormatError):
                verified(root)
        path.write_bytes(sound)
    verified(root)


def test_a_wrong_number_of_passages_is_found(root: Path) -> None:
    path = segment(root) / "passages.arrow"
    write_passages(path, PASSAGES[:5])
    record_again(root)
    with pytest.raises(IndexFormatError, match="5 passages are stored, but the manifest says 6"):
        verified(root)


def test_a_repeated_id_is_found(root: Path) -> None:
    write_passages(segment(root) / "passages.arrow", [*PASSAGES[:5], PASSAGES[0]])
    record_again(root)
    with pytest.raises(IndexFormatError, match="comes twice, or out of its rank"):
        verified(root)


@pytest.mark.parametrize("ranks", [[0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]])
def test_wrong_ranks_are_found(root: Path, ranks: list[int]) -> None:
    np.save(root / "generations" / "000001" / "id_rank.npy", np.array(ranks, dtype=np.int32))
    record_again(root)
    with pytest.raises(IndexFormatError, match=r"out of its rank|a rank of its own"):
        verified(root)


def test_counts_that_disagree_with_the_manifest_are_found(root: Path) -> None:
    path = root / "generations" / "000001.json"
    (record,) = json.loads(path.read_text(encoding="utf-8"))["segments"]
    record_again(root, segments=[record | {"terms": 7}])
    with pytest.raises(IndexFormatError, match=r"terms are counted, but the manifest says 7|for 7|\\(7,\\)"):
        verified(root)


def save_array(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = next(root.rglob(name))
        array = change(np.load(path))
        np.save(path, array)

    return damage


def infinite(array: Any) -> Any:
    array.flat[0] = np.inf
    return array


def count_other_texts(root: Path) -> None:
    terms = [WordAnalyzer().terms(f"{passage.title} {passage.text}") for passage in PASSAGES]
    TermCounts.build([*terms[1:], terms[0]]).save(segment(root) / "counts")


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (save_array("bm25.npy", infinite), "a weight of bm25 is not a finite number"),
        (save_array("vectors.npy", infinite), "a vector is not finite"),
        (count_other_texts, "has no posting for passage"),
    ],
)
def test_what_is_whole_but_wrong_is_found(root: Path, damage: Callable[[Path], None], cause: str) -> None:
    damage(root)
    record_again(root)
    with pytest.raises(IndexFormatError, match=f"is inconsistent: .*{cause}.*rebuild with dpr-index build"):
        verified(root)


def test_an_analyzer_that_makes_other_terms_is_found(root: Path) -> None:
    with pytest.raises(IndexFormatError, match="was not counted"):
        verify_index(root, ShoutingAnalyzer())


def test_a_graph_of_other_vectors_is_found(tmp_path: Path) -> None:
    root = tmp_path / "index"
    many = [Passage(f"p{number}", f"{number} {number + 1} {number + 2}") for number in range(1000)]
    small_index(root, many, dense=DenseOptions("hnsw", {"ef_search": 10}))
    verified(root)
    others = np.random.default_rng(0).standard_normal((1000, 32)).astype(np.float32)
    INDEX_TYPES["hnsw"].build(others, segment(root) / "dense.faiss")
    record_again(root)
    with pytest.raises(IndexFormatError, match=r"the hnsw index does not find .+ by their own vectors"):
        verified(root)


def test_a_recall_that_fell_is_found(tmp_path: Path) -> None:
    """The passages themselves are found, but few of those beside them."""
    root = tmp_path / "index"
    many = [Passage(f"p{number}", f"{number} {number + 1} {number + 2}") for number in range(1000)]
    small_index(root, many, dense=DenseOptions("ivf-sq8", {"nlist": 16, "nprobe": 16}))
    path = root / "generations" / "000001.json"
    (record,) = json.loads(path.read_text(encoding="utf-8"))["segments"]
    assert record["dense"]["recall"] > 0.99
    record["dense"]["parameters"]["nprobe"] = 1
    record_again(root, segments=[record])
    with pytest.raises(
        IndexFormatError, match=r"the ivf-sq8 index has a recall of \d\d\.\d%, but its record says \d+\.\d%"
    ):
        verified(root)


def test_every_file_is_reported(published: Path) -> None:
    reports: list[tuple[str, int, int | None]] = []
    verify_index(published, WordAnalyzer(), lambda *report: reports.append(report))
    checksums = [report for report in reports if report[0] == "checksums"]
    assert checksums[-1][1] == checksums[-1][2] == len(checksums)
    assert reports[-1][0] == "verify"
