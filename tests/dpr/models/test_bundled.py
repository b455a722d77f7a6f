"""The bundled pair and its base: which is the default of what, and what they do in either language."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpr.config import BUNDLED_MODELS, DEFAULT_BASE, DEFAULT_ENCODER
from dpr.data.passages import read_examples
from dpr.errors import ConfigError
from dpr.evaluation.ranks import gold_ranks
from dpr.models.encoders import DualEncoder, load_encoder
from dpr.models.export import export
from dpr.text.scripts import has_hangul
from dpr.train.encoder.settings import Training
from dpr.train.validation import HeldOut

CROSS_LANGUAGE = Path(__file__).resolve().parents[3] / "examples" / "demo" / "cross-language.json"


@pytest.fixture(scope="module", params=[DEFAULT_ENCODER, DEFAULT_BASE])
def encoder(request: pytest.FixtureRequest) -> DualEncoder:
    return load_encoder(request.param, precision="fp32", backend="torch")


def test_their_names_prompts_and_lengths(encoder: DualEncoder) -> None:
    assert encoder.name in ("dpr-small-ko-en", "e5-small-ko-en")
    assert encoder.dimension == 384
    assert (encoder.question_prompt, encoder.passage_prompt) == ("query: ", "passage: ")
    assert (encoder.config.question_tokens, encoder.config.passage_tokens) == (512, 512)


def test_an_index_is_built_with_the_pair_and_a_training_starts_from_the_base() -> None:
    encoder = load_encoder(precision="fp32", backend="torch")
    assert encoder.name == DEFAULT_ENCODER
    assert encoder.question_encoder is not encoder.passage_encoder
    assert Training().base == DEFAULT_BASE


@pytest.mark.parametrize("language", [0, 1], ids=["english", "korean"])
def test_they_find_most_passages_of_the_demo_first(
    language: int, encoder: DualEncoder, demo_files: tuple[Path, Path]
) -> None:
    examples = [one for one in read_examples(f"squad:{demo_files[language]}") if not one.is_impossible]
    held_out = HeldOut.from_examples(examples[::4])
    ranks = gold_ranks(
        encoder.encode_questions(held_out.questions), encoder.encode_passages(held_out.passages), held_out.golds
    )
    assert (ranks == 1).mean() > 0.8


def test_a_korean_question_finds_its_english_passage_among_passages_of_both_languages(
    demo_files: tuple[Path, Path],
) -> None:
    encoder = load_encoder(precision="fp32", backend="torch")
    asked = [one for one in read_examples(f"squad:{CROSS_LANGUAGE}") if has_hangul(one.question.text)]
    others = [one for path in demo_files for one in read_examples(f"squad:{path}") if one.positives][::6]
    held_out = HeldOut.from_examples([*asked, *others])
    questions = encoder.encode_questions([one.question.text for one in asked])
    ranks = gold_ranks(questions, encoder.encode_passages(held_out.passages), held_out.golds[: len(asked)])
    assert (ranks <= 5).mean() > 0.8


@pytest.mark.parametrize("name", [DEFAULT_ENCODER, DEFAULT_BASE])
def test_their_folders_are_not_overwritten(name: str) -> None:
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        export(name, BUNDLED_MODELS / name)
