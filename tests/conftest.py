"""Fixtures that every room's tests may use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.stores.fixtures import milvus as milvus
from tests.stores.fixtures import milvus_server as milvus_server
from tests.stores.fixtures import postgres as postgres
from tests.stores.fixtures import postgres_server as postgres_server
from tests.stores.fixtures import store as store

# Random examples are the same in every run, and a busy machine is no failure.
settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # which takes the time that examples take to make
)
settings.load_profile("deterministic")

os.environ.setdefault("HF_HUB_OFFLINE", "1")
OPENVINO_CACHE = tempfile.TemporaryDirectory(prefix="dpr-openvino-")
os.environ["DPR_OPENVINO_CACHE"] = OPENVINO_CACHE.name  # not the user's own

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest) -> None:
    """Give a test with the mark of a database one."""
    for name in ("postgres", "milvus"):
        if request.node.get_closest_marker(name) is not None:
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, which is not part of the project."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data sets are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def demo_files() -> tuple[Path, Path]:
    """The bundled demo corpus: English and Korean, in SQuAD form."""
    folder = ROOT / "examples" / "demo"
    return folder / "english.json", folder / "korean.json"


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers with a character-level WordPiece vocabulary, saved in Hugging Face form."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    letters = [chr(code) for code in range(33, 127)] + [chr(code) for code in range(0xAC00, 0xAC00 + 200)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, do_lower_case=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_reader(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader with random weights, whose windows have 64 tokens."""
    from tests.tiny_models import make_reader

    return make_reader(tiny_checkpoint, tmp_path_factory.mktemp("tiny-reader") / "reader")
