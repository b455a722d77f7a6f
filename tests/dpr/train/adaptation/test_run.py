from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dpr.config import OFFLINE_BASE, load_config
from dpr.errors import ConfigError, DataError, ModelError
from dpr.models.checkpoint import load_model, load_tokenizer, resolve
from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.models.locate import detect_config
from dpr.train.adaptation.run import Adaptation, adapt
from dpr.train.engine import RunOptions

WORDS = ["sun rises east", "moon sets west", "star shines north"]


def texts(number: int = 120) -> list[str]:
    draw = random.Random(0)
    return [" ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 3))) for _ in range(number)]


def settings(base: Path, **changes: object) -> Adaptation:
    made = Adaptation(
        base=str(base), batch_tokens=512, max_tokens=48, learning_rate=3e-3, precision="fp32", checkpoint_steps=4
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def log(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]


class KilledError(Exception):
    """Stands for the process's end."""


def kill_at(step: int) -> object:
    def progress(stage: str, done: int, total: int | None) -> None:
        if stage == "train" and done == step:
            raise KilledError

    return progress


def test_training_learns_to_guess(tiny_checkpoint: Path, tmp_path: Path) -> None:
    summary = adapt(texts(), tmp_path, settings(tiny_checkpoint, max_steps=150, validate_steps=50))
    entries = log(tmp_path)
    assert [entry["step"] for entry in entries if "loss" in entry] == list(range(1, 151))
    held_out = [entry["held_out_loss"] for entry in entries if "held_out_loss" in entry]
    assert len(held_out) == 3
    before, after = summary["before"], summary["validation"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert held_out[-1] == after["held_out_loss"] < 0.6 * before["held_out_loss"]
    assert after["held_out_accuracy"] > before["held_out_accuracy"]
    assert not (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize("vocabulary_size", [None, 30])
def test_a_killed_run_goes_on_to_the_same_weights(
    tiny_checkpoint: Path, tmp_path: Path, vocabulary_size: int | None
) -> None:
    made = settings(tiny_checkpoint, max_steps=12, validate_steps=3, dropout=0.1, vocabulary_size=vocabulary_size)
    data = [f"{text} 대한민국" for text in texts()]
    adapt(data, tmp_path / "whole", made)
    with pytest.raises(KilledError):
        adapt(data, tmp_path / "killed", made, RunOptions(kill_at(10)))  # type: ignore[arg-type]
    torch.manual_seed(1234)
    adapt(data, tmp_path / "killed", made)
    whole, resumed = (load_file(tmp_path / run / "model.safetensors") for run in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    kept = [[{**entry, "pairs_per_s": 0} for entry in log(tmp_path / run)] for run in ("whole", "killed")]
    assert kept[0] == kept[1]
    first, second = (json.loads((tmp_path / run / "training.json").read_text()) for run in ("whole", "killed"))
    assert first["validation"] == second["validation"]
    assert first["before"] == second["before"]
    assert first["run"] == second["run"]


def test_the_best_weights_are_kept_and_without_better_ones_it_stops(tiny_checkpoint: Path, tmp_path: Path) -> None:
    ruinous = settings(
        tiny_checkpoint, max_steps=40, learning_rate=0.5, warmup_share=0.0, validate_steps=1, patience=2,
        batch_tokens=256, accumulation_steps=2,
    )  # fmt: skip
    record = adapt(texts(), tmp_path, ruinous)
    held_out = [entry["held_out_loss"] for entry in log(tmp_path) if "held_out_loss" in entry]
    assert record["best_step"] == 1 + held_out.index(min(held_out))
    assert record["steps"] == len(held_out) == 3 + held_out.index(min(held_out))
    validation = record["validation"]
    assert isinstance(validation, dict)
    assert validation["held_out_loss"] == min(held_out)


def test_without_held_out_texts_the_last_weights_are_kept(tiny_checkpoint: Path, tmp_path: Path) -> None:
    record = adapt(
        texts(),
        tmp_path,
        settings(tiny_checkpoint, epochs=2, held_out_texts=0),
        options=RunOptions(command="dpr adapt"),
    )
    assert record["steps"] == record["best_step"] == len(log(tmp_path))
    assert "validation" not in record
    assert "before" not in record
    assert (record["command"], record["processes"]) == ("dpr adapt", 1)
    assert "pieces" not in record


def test_tensorboard_gets_the_losses(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    adapt(texts(), tmp_path, settings(tiny_checkpoint, max_steps=3, validate_steps=2))
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("train/loss")] == [1, 2, 3]
    assert [event.step for event in board.Scalars("validation/held_out_loss")] == [2, 3]


def test_a_state_of_other_texts_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    made = settings(tiny_checkpoint, max_steps=8)
    with pytest.raises(KilledError):
        adapt(texts(), tmp_path, made, RunOptions(kill_at(5)))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="holds an unfinished run with other settings or data"):
        adapt([*texts(), "one more"], tmp_path, made)


def test_only_other_learners_of_a_vocabulary_make_another_run(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, korean = settings(tiny_checkpoint, vocabulary_size=9, max_steps=0), ["대한민국의 수도"] * 3
    record = adapt(korean, tmp_path, made)
    versions = record["versions"]
    assert isinstance(versions, dict)
    assert versions.keys() == {"torch", "transformers", "tokenizers", "kiwipiepy"}
    monkeypatch.setattr("dpr.train.adaptation.run.version", {**versions, "torch": "9"}.__getitem__)
    assert adapt(korean, tmp_path, made) == record
    monkeypatch.setattr("dpr.train.adaptation.run.version", {**versions, "kiwipiepy": "9"}.__getitem__)
    with pytest.raises(ConfigError, match="already holds a model"):
        adapt(korean, tmp_path, made)


def test_the_vocabulary_alone_can_be_adapted(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    korean = ["대한민국의 수도는 서울이다"] * 3
    made = settings(tiny_checkpoint, vocabulary_size=300, max_steps=0)
    summary = adapt({"a": texts(), "b": korean}, tmp_path, made)
    assert adapt({"a": texts(), "b": korean}, tmp_path, made)["run"] == summary["run"], "it is finished"
    with pytest.raises(ConfigError, match="already holds a model"):
        adapt({"a": texts(), "b": korean}, tmp_path, replace(made, min_frequency=2))
    vocabulary = summary["vocabulary"]
    assert isinstance(vocabulary, dict)
    before, after = (load_model(AutoModel, folder) for folder in (tiny_checkpoint, tmp_path))
    grown = dict(after.named_parameters())
    for name, weight in before.named_parameters():
        assert "pooler" in name or torch.equal(grown[name][: len(weight)], weight)
    assert after.config.vocab_size == vocabulary["after"] == vocabulary["before"] + vocabulary["added"]
    record = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
    assert "대한민국" in {piece[:4] for piece in record["pieces"]}
    assert {name: source["texts"] for name, source in record["sources"].items()} == {"a": 120, "b": 3}
    assert len(record["sources"]["a"]["sha256"]) == 64
    assert len(load_tokenizer(tmp_path).tokenize("서울이다")) == 2


def test_hangul_pieces_stay_within_morphemes_unless_words_are_wanted_whole(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    korean = ["사건의 이름을", "사건을 이름은", "사건의 이름을"] * 5
    chosen = settings(tiny_checkpoint, vocabulary_size=300, max_steps=0, held_out_texts=0)
    parted = adapt(korean, tmp_path / "parted", chosen)
    adapt(korean, tmp_path / "whole", replace(chosen, morphemes=False))
    assert parted["steps"] == 0
    records = {name: (tmp_path / name / "training.json").read_text(encoding="utf-8") for name in ("parted", "whole")}
    pieces = {name: json.loads(record)["pieces"] for name, record in records.items()}
    assert {"사건", "이름", "##의", "##을"} <= set(pieces["parted"])
    assert not {"사건의", "사건을", "이름을"} & set(pieces["parted"])
    assert {"사건의", "사건을", "이름을"} <= set(pieces["whole"])


def test_the_result_is_a_base_for_encoders_and_for_more(tiny_checkpoint: Path, tmp_path: Path) -> None:
    made = settings(tiny_checkpoint, max_steps=2, vocabulary_size=50)
    adapt([*texts(), *["새로운 낱말"] * 9], tmp_path / "first", made)
    assert load_encoder(tmp_path / "first").encode_questions(["sun 새로운"]).shape == (1, 32)
    again = settings(tmp_path / "first", max_steps=0, vocabulary_size=10)
    summary = adapt(["다른 글월"] * 9, tmp_path / "second", again)
    assert len(load_tokenizer(tmp_path / "second").tokenize("새로운 다른")) == 2
    assert summary["steps"] == 0


def test_a_tied_decoder_is_stored_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    adapt(texts(), tmp_path, settings(tiny_checkpoint, max_steps=2))
    model = load_model(AutoModelForMaskedLM, tmp_path)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert not [name for name in load_file(tmp_path / "model.safetensors") if name.endswith("decoder.weight")]
    assert model.config.hidden_dropout_prob == 0.1  # the base's, though this run was without


def test_a_sentence_transformers_base_stays_one(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts_of_both = ["대한민국의 수도는 서울이다", "the capital of Korea is Seoul"] * 3
    adapt(texts_of_both, tmp_path / "base", Adaptation(OFFLINE_BASE, vocabulary_size=300, max_steps=0))
    export(str(tmp_path / "base"), tmp_path / "whole")
    whole = tmp_path / "whole" / "question"
    base = resolve(OFFLINE_BASE)
    assert detect_config(tmp_path / "base") == detect_config(whole) == detect_config(base)
    before, after = (SentenceTransformer(str(folder), device="cpu") for folder in (base, whole))
    english, korean = texts_of_both[1], texts_of_both[0]
    assert torch.equal(torch.tensor(before.encode(english)), torch.tensor(after.encode(english)))
    assert len(after.tokenizer.tokenize(korean)) < 0.4 * len(before.tokenizer.tokenize(korean))
    ours = torch.tensor(load_encoder(tmp_path / "base", "fp32").encode_questions([korean])[0])
    assert torch.allclose(ours, torch.tensor(after.encode(korean)), atol=1e-5)


def test_an_iterator_of_texts_is_read_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def stream() -> Iterator[str]:
        yield from ["대한민국 sun"] * 20

    summary = adapt(stream(), tmp_path, settings(tiny_checkpoint, vocabulary_size=20, max_steps=1))
    sources = summary["sources"]
    assert isinstance(sources, dict)
    assert sources["texts"]["texts"] == 20


def test_settings_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("vocabulary_size = 100\nwhole_words = false\n", encoding="utf-8")
    made = load_config(Adaptation, tmp_path / "s.toml", {"vocabulary_size": 200, "max_steps": None})
    assert (made.vocabulary_size, made.whole_words, made.max_steps) == (200, False, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary_size": 0}, "vocabulary_size is 0; it must be at least 1"),
        ({"vocabulary_size": -3}, "vocabulary_size is -3; it must be at least 1"),
        ({"max_steps": 0}, "so nothing would change"),
        ({"max_steps": -1}, "max_steps is -1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"mask_share": 1.0}, "mask_share is 1.0"),
        ({"dropout": 1.0}, "each must be at least 0 and below 1"),
        ({"max_tokens": 4}, "a window needs at least 8"),
        ({"script": "klingon", "vocabulary_size": 5}, "unknown script 'klingon'"),
        ({"max_tokens": 512}, "reads at most 128 tokens"),
        ({"precision": "fp16"}, "is for GPUs"),
    ],
)
def test_a_bad_setting_is_one_sentence(
    tiny_checkpoint: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        adapt(texts(), tmp_path, settings(tiny_checkpoint, **change))


def test_bad_texts_and_bases_are_one_sentence(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for size in (None, 10):
        with pytest.raises(DataError, match="there is no text to learn from"):
            adapt([], tmp_path, settings(tiny_checkpoint, vocabulary_size=size))
    with pytest.raises(DataError, match="has two tokens that the base knows"):
        adapt(["x", "漢字"], tmp_path, settings(tiny_checkpoint))
    with pytest.raises(ConfigError, match=r"is the folder of .* itself"):
        adapt(texts(), tiny_checkpoint, settings(tiny_checkpoint))


def test_a_loss_that_is_no_number_names_step_and_texts(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError,
        match=r"step \d+: the loss became \w+ over the texts \(numbered in the order read\) \d+, .*; lower the",
    ):
        adapt(texts(), tmp_path, settings(tiny_checkpoint, learning_rate=1e30, max_steps=20))
