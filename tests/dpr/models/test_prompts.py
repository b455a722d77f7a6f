from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dpr.models.locate import detect_config, locate_encoders
from dpr.models.prompts import FAMILIES, known_family
from dpr.types import EncoderOptions

SEARCH = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("name", "question_prompt", "passage_prompt"),
    [
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("/models/multilingual-e5-small/", "query: ", "passage: "),
        ("models--intfloat--multilingual-e5-small", "query: ", "passage: "),
        ("nlpai-lab/KoE5", "query: ", "passage: "),
        ("BAAI/bge-small-en-v1.5", SEARCH, ""),
        ("BAAI/bge-large-zh", "为这个句子生成表示以用于检索相关文章：", ""),
        ("Snowflake/snowflake-arctic-embed-m", SEARCH, ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("mixedbread-ai/mxbai-embed-large-v1", SEARCH, ""),
    ],
)
def test_prompts_of_well_known_families(name: str, question_prompt: str, passage_prompt: str) -> None:
    family = known_family([name])
    assert family is not None
    assert (family.question_prompt, family.passage_prompt) == (question_prompt, passage_prompt)


def test_an_instruct_model_has_an_instruction_and_not_the_prompts_of_its_family() -> None:
    family = known_family(["intfloat/multilingual-e5-large-instruct"])
    assert family is not None
    assert family.question_prompt.startswith("Instruct: ")
    assert family.passage_prompt == ""


@pytest.mark.parametrize(
    "name",
    ["thenlper/gte-base", "BAAI/bge-m3", "BAAI/bge-reranker-base", "facebook/contriever", "made5-base", "a/e5"],
)
def test_names_of_other_models_are_not_taken_for_a_family(name: str) -> None:
    assert known_family([name]) is None


def test_the_guide_has_every_family() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    for family in FAMILIES:
        row = next(line for line in guide.splitlines() if line.startswith(f"| {family.name} |"))
        for prompt in (family.question_prompt, family.passage_prompt):
            assert not prompt or f"`{json.dumps(prompt, ensure_ascii=False)[1:-1]}`" in row


@pytest.fixture
def e5(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_checkpoint, tmp_path / "e5-small-v2")


def test_a_familys_prompts_are_used_and_logged(e5: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = detect_config(e5)
    assert (config.question_prompt, config.passage_prompt) == ("query: ", "passage: ")
    assert len(caplog.messages) == 1
    assert "records no prompts; using those of E5: 'query: ' for questions, 'passage: ' for passages" in caplog.text


def test_a_copy_under_another_name_is_known_by_what_it_was_loaded_from(e5: Path) -> None:
    moved = e5.rename(e5.parent / "mine")
    assert detect_config(moved).question_prompt == ""
    config = json.loads((moved / "config.json").read_text(encoding="utf-8"))
    (moved / "config.json").write_text(json.dumps(config | {"_name_or_path": "intfloat/e5-small"}), encoding="utf-8")
    assert detect_config(moved).question_prompt == "query: "


def test_options_win_over_the_family_and_empty_ones_are_options(e5: Path, caplog: pytest.LogCaptureFixture) -> None:
    *_, config = locate_encoders(str(e5), EncoderOptions("", ""))
    assert (config.question_prompt, config.passage_prompt) == ("", "")
    assert caplog.messages == []
    *_, config = locate_encoders(str(e5), EncoderOptions(question_prompt="ask: "))
    assert (config.question_prompt, config.passage_prompt) == ("ask: ", "passage: ")


def test_what_a_pair_records_is_not_guessed_again(e5: Path, tmp_path: Path) -> None:
    pair = tmp_path / "e5-base-v2"
    shutil.copytree(e5, pair / "question")
    (pair / "encoder.json").write_text("{}", encoding="utf-8")
    *_, config = locate_encoders(str(pair))
    assert config.question_prompt == ""
