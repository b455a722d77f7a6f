"""The bundled encoder pair: it is the default, and what it does in either language."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.config import BUNDLED_MODELS, DEFAULT_ENCODER
from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.models import lexical_sketch
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.models.export import export
from dpr.train.validation import HeldOut, gold_ranks

PAIR = BUNDLED_MODELS / "dpr-mini-ko-en"


@pytest.fixture(scope="module")
def pair() -> DualEncoder:
    return load_encoder(precision="fp32")


def test_it_is_the_default(pair: DualEncoder) -> None:
    assert PAIR.name == DEFAULT_ENCODER
    assert pair.dimension == 384 + 640


@pytest.mark.parametrize("language", [0, 1], ids=["english", "korean"])
def test_it_finds_most_passages_of_the_demo_first(
    language: int, pair: DualEncoder, demo_files: tuple[Path, Path]
) -> None:
    examples = [one for one in read_examples(f"squad:{demo_files[language]}") if not one.is_impossible]
    held_out = HeldOut.of(examples)
    ranks = gold_ranks(
        pair.encode_questions(held_out.questions), pair.encode_passages(held_out.passages), held_out.golds
    )
    assert (ranks == 1).mean() > 0.8


def test_an_export_by_its_name_keeps_how_it_was_trained(tmp_path: Path) -> None:
    export(PAIR.name, tmp_path / "copy", "as-is")
    assert (tmp_path / "copy" / "training.json").read_bytes() == (PAIR / "training.json").read_bytes()
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        export(PAIR.name, PAIR)


def test_the_source_beside_its_weights_is_that_of_the_project() -> None:
    beside = PAIR / "question" / "lexical_sketch.py"
    assert beside.read_text(encoding="utf-8") == Path(lexical_sketch.__file__).read_text(encoding="utf-8")
