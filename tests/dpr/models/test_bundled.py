"""The bundled encoder: it is the default, and what it does in either language."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.config import BUNDLED_MODELS, DEFAULT_ENCODER
from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.models.export import export
from dpr.train.validation import HeldOut, gold_ranks


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_encoder(precision="fp32", backend="torch")


def test_it_is_the_default_with_its_prompts(encoder: DualEncoder) -> None:
    assert encoder.name == DEFAULT_ENCODER == "e5-small-ko-en"
    assert encoder.dimension == 384
    assert (encoder.question_prompt, encoder.passage_prompt) == ("query: ", "passage: ")


@pytest.mark.parametrize("language", [0, 1], ids=["english", "korean"])
def test_it_finds_most_passages_of_the_demo_first(
    language: int, encoder: DualEncoder, demo_files: tuple[Path, Path]
) -> None:
    examples = [one for one in read_examples(f"squad:{demo_files[language]}") if not one.is_impossible]
    held_out = HeldOut.of(examples[::4])
    ranks = gold_ranks(
        encoder.encode_questions(held_out.questions), encoder.encode_passages(held_out.passages), held_out.golds
    )
    assert (ranks == 1).mean() > 0.8


def test_its_folder_is_not_overwritten() -> None:
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        export(DEFAULT_ENCODER, BUNDLED_MODELS / DEFAULT_ENCODER)
