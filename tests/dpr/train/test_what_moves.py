"""Each training moves the weights that it should, and no others, from every form of base: all tensors are compared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dpr.data.parallel import SentencePair
from dpr.data.passages import read_examples
from dpr.errors import ModelError
from dpr.models.checkpoint import load_model, resolve
from dpr.models.cross_encoder import ONE_LOGIT
from dpr.models.encoders import load_encoder
from dpr.models.head import Dense
from dpr.models.pair import encoder_directories, question_encoder
from dpr.reader.extractive.model import load_reader_model
from dpr.train.adaptation.run import Adaptation, adapt
from dpr.train.batches import Source
from dpr.train.cross_encoder.run import train_cross_encoder
from dpr.train.cross_encoder.settings import CrossEncoderTraining
from dpr.train.distillation.data import DistillationData
from dpr.train.distillation.run import distill
from dpr.train.distillation.settings import Distillation
from dpr.train.encoder.run import train
from dpr.train.encoder.settings import Training
from dpr.train.reader.run import train_reader
from dpr.train.reader.settings import ReaderTraining
from dpr.train.trainable import count_trainable
from dpr.types import Example
from tests.tiny_models import add_dense, make_bert

RANK = 8
PAIRS = ["pair", "adapter pair", "pair with a Dense", "QUESTION,PASSAGE"]
SINGLES = ["whole", "adapter", "encoder of a pair"]


@pytest.fixture(scope="module")
def examples(demo_files: tuple[Path, Path]) -> list[Example]:
    return [one for one in read_examples(f"korquad:{demo_files[1]}@:1") if not one.is_impossible][:8]


@pytest.fixture(scope="module")
def bases(tiny_checkpoint: Path, examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One base of every form, by its name."""
    root = tmp_path_factory.mktemp("bases")

    def pair(name: str, base: Path, **changes: Any) -> Path:
        settings = Training(str(base), **{**SHORT, "max_steps": 1, **changes})
        train([Source("korean", examples)], root / name, settings)
        return root / name

    whole = pair("whole", tiny_checkpoint)
    adapters = pair("adapters", tiny_checkpoint, lora_rank=RANK)
    other = make_bert(tiny_checkpoint, root / "other", seed=9)
    return {
        "whole": str(tiny_checkpoint),
        "adapter": str(adapters / "question"),
        "encoder of a pair": str(whole / "passage"),
        "pair": str(whole),
        "adapter pair": str(adapters),
        "pair with a Dense": str(add_dense(whole, root / "dense")),
        "QUESTION,PASSAGE": f"{tiny_checkpoint},{other}",
    }


SHORT: dict[str, Any] = {
    "max_steps": 2, "batch_size": 4, "passage_tokens": 48, "question_tokens": 24, "learning_rate": 1e-2,
    "precision": "fp32",
}  # fmt: skip


def moved(before: nn.Module, after: nn.Module) -> dict[str, bool]:
    """Tell of each weight whether it moved."""
    ended = {name: weight for name, weight in after.named_parameters() if not name.startswith(HEADS)}
    started = {name: weight for name, weight in before.named_parameters() if name in ended}
    assert started.keys() == ended.keys()
    return {name: not torch.equal(weight, ended[name]) for name, weight in started.items()}


HEADS = ("qa_outputs", "classifier")


def expected(names: Iterable[str], lora_rank: int) -> dict[str, bool]:
    """Tell of each weight whether it should move: all but poolers and what follows them, or what LoRA changes."""

    def moves(name: str) -> bool:
        if "pooler" in name or "head.0.linear" in name:
            return False
        is_linear = "encoder.layer" in name and "LayerNorm" not in name and name.endswith("weight")
        return not lora_rank or is_linear

    return {name: moves(name) for name in names}


def check_encoders(base: str, output: Path, lora_rank: int, is_shared: bool) -> None:
    before, after = load_encoder(base, "fp32", "torch"), load_encoder(output, "fp32", "torch")
    roles = ("question_encoder",) if is_shared else ("question_encoder", "passage_encoder")
    for role in roles:
        compared = moved(getattr(before, role), getattr(after, role))
        assert compared == expected(compared, lora_rank)
        assert sum(compared.values()) >= 12


@pytest.mark.parametrize(
    ("form", "lora_rank"),
    [
        ("whole", 0), ("whole", RANK), ("adapter", 0), ("adapter", RANK), ("encoder of a pair", 0), ("pair", 0),
        ("adapter pair", 0), ("adapter pair", RANK), ("pair with a Dense", 0), ("QUESTION,PASSAGE", RANK),
    ],
)  # fmt: skip
def test_training_encoders_moves_what_is_to_move(
    form: str, lora_rank: int, bases: dict[str, str], examples: list[Example], tmp_path: Path
) -> None:
    settings = Training(bases[form], lora_rank=lora_rank, **SHORT)
    record: Any = train([Source("korean", examples)], tmp_path, settings)
    check_encoders(bases[form], tmp_path, lora_rank, is_shared=False)
    assert 0 < record["trainable_parameters"] < record["parameters"]


@pytest.mark.parametrize(
    ("form", "lora_rank"),
    [
        ("whole", 0), ("adapter", 0), ("adapter", RANK), ("encoder of a pair", 0), ("adapter pair", 0),
        ("adapter pair", RANK), ("QUESTION,PASSAGE", 0),
    ],
)  # fmt: skip
def test_training_a_reader_moves_what_is_to_move(
    form: str, lora_rank: int, bases: dict[str, str], examples: list[Example], tmp_path: Path
) -> None:
    from transformers import AutoModelForQuestionAnswering

    settings = ReaderTraining(
        bases[form], lora_rank=lora_rank, max_steps=2, batch_tokens=512, learning_rate=1e-2, precision="fp32",
        negative_share=0.0,
    )  # fmt: skip
    record: Any = train_reader([Source("korean", examples)], tmp_path, settings)
    before = load_model(AutoModelForQuestionAnswering, resolve(question_encoder(bases[form])), new_head=True)
    compared = moved(before, load_reader_model(tmp_path)[0].model)
    assert compared == expected(compared, lora_rank)
    whole = record["trainable_parameters"] == record["parameters"]
    assert whole == (not lora_rank)


@pytest.mark.parametrize(
    ("form", "lora_rank"),
    [("whole", 0), ("adapter", 0), ("encoder of a pair", 0), ("adapter pair", RANK), ("QUESTION,PASSAGE", RANK)],
)
def test_training_a_cross_encoder_moves_what_is_to_move(
    form: str, lora_rank: int, bases: dict[str, str], examples: list[Example], tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    settings = CrossEncoderTraining(
        bases[form], lora_rank=lora_rank, max_steps=2, batch_size=4, hard_negatives=2, learning_rate=1e-2,
        precision="fp32",
    )  # fmt: skip
    record: Any = train_cross_encoder([Source("korean", examples)], tmp_path, settings)
    base = resolve(question_encoder(bases[form]))
    before, after = (
        load_model(AutoModelForSequenceClassification, one, new_head=one == base, **ONE_LOGIT)
        for one in (base, tmp_path)
    )
    compared = moved(before, after)
    poolers = {name: True for name in compared if "pooler" in name}
    assert len(poolers) == 2
    assert compared == expected(compared, lora_rank) | poolers
    assert (record["trainable_parameters"] == record["parameters"]) == (not lora_rank)


@pytest.mark.parametrize("form", ["whole", "adapter", "adapter pair", "QUESTION,PASSAGE"])
def test_adaptation_moves_every_weight(form: str, bases: dict[str, str], tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    texts = [f"한글을 {number} 만들었다" for number in range(20)]
    settings = Adaptation(bases[form], max_steps=2, batch_tokens=256, max_tokens=32, learning_rate=1e-2)
    record = adapt(texts, tmp_path, settings)
    name = question_encoder(bases[form])
    before, after = (load_model(AutoModelForMaskedLM, one, new_head=True) for one in (resolve(name), tmp_path))
    compared = moved(before, after)
    assert compared == dict.fromkeys(compared, True)
    assert record["trainable_parameters"] == record["parameters"]
    words = after.get_input_embeddings().weight
    assert torch.equal(after.get_output_embeddings().weight, words)


@pytest.mark.parametrize(
    ("objective", "form", "lora_rank"),
    [
        ("vectors", "whole", 0), ("vectors", "adapter", 0), ("vectors", "adapter", RANK),
        ("parallel", "adapter pair", 0), ("scores", "adapter", 0), ("scores", "pair with a Dense", RANK),
    ],
)  # fmt: skip
def test_distillation_moves_what_is_to_move(
    objective: str,
    form: str,
    lora_rank: int,
    bases: dict[str, str],
    examples: list[Example],
    tiny_checkpoint: Path,
    tmp_path: Path,
) -> None:
    is_shared = "pair" not in form
    teacher = make_bert(tiny_checkpoint, tmp_path / "teacher", seed=7)
    settings = Distillation(
        bases[form], objective=objective, teacher=str(teacher), shared=is_shared, lora_rank=lora_rank,
        **SHORT,
    )  # fmt: skip
    pairs = [SentencePair(str(number), one.question.text, one.positives[0].text) for number, one in enumerate(examples)]
    data = {
        "vectors": DistillationData(sources=[Source("korean", examples)]),
        "parallel": DistillationData(pairs={"pairs": pairs}),
        "scores": DistillationData(sources=[Source("korean", examples)]),
    }
    distill(data[objective], tmp_path / "student", settings)
    check_encoders(bases[form], tmp_path / "student", lora_rank, is_shared)


def test_a_training_of_one_model_logs_that_it_uses_a_pair_s_question_encoder(
    bases: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = Path(bases["pair"])
    for module in ("checkpoint", "pair"):
        monkeypatch.setattr(f"dpr.models.{module}.BUNDLED_MODELS", bundled.parent)
    with caplog.at_level(logging.INFO):
        assert question_encoder(bases["pair"]) == f"{bases['pair']}/question"
        assert question_encoder(bundled.name) == f"{bundled.name}/question"
        assert question_encoder(bases["whole"]) == bases["whole"]
    assert len(caplog.messages) == 2
    assert "is a pair; using its question encoder" in caplog.text


FREEZES: dict[str, Callable[[nn.Module], object]] = {
    "all": lambda module: module.requires_grad_(requires_grad=False),
    "all but the head": lambda module: module.get_submodule("bert").requires_grad_(requires_grad=False),
}


@pytest.mark.parametrize("frozen", FREEZES)
def test_a_training_of_nothing_or_of_a_head_alone_is_refused(frozen: str, tiny_checkpoint: Path) -> None:
    from transformers import AutoModelForQuestionAnswering

    model = load_model(AutoModelForQuestionAnswering, tiny_checkpoint, new_head=True)
    counts = count_trainable(model, [model], "base")
    assert counts["trainable_parameters"] == counts["parameters"] > 20_000
    FREEZES[frozen](model)
    with pytest.raises(ModelError, match=r"the encoder of base is frozen: .* lora_rank") as raised:
        count_trainable(model, [model], "base")
    assert ("only 66 of" in str(raised.value)) == (frozen == "all but the head")


def test_a_frozen_encoder_stops_each_training_before_its_first_step(
    examples: list[Example], tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frozen(*arguments: Any, **options: Any) -> Any:
        model: nn.Module = load_model(*arguments, **options)
        for weight in model.parameters():
            weight.requires_grad = False
        return model

    for module in ("encoder.model", "reader.model", "cross_encoder.run", "adaptation.run"):
        monkeypatch.setattr(f"dpr.train.{module}.load_model", frozen)
    sources, base = [Source("korean", examples)], str(tiny_checkpoint)
    trainings: list[Callable[[], object]] = [
        lambda: train(sources, tmp_path / "pair", Training(base, learn_temperature=True, **SHORT)),
        lambda: train_reader(sources, tmp_path / "reader", ReaderTraining(base, relevance_head=True)),
        lambda: train_cross_encoder(sources, tmp_path / "scorer", CrossEncoderTraining(base)),
        lambda: distill(
            DistillationData(sources=sources), tmp_path / "student", Distillation(base, teacher=base, **SHORT)
        ),
        lambda: adapt(["text"] * 9, tmp_path / "adapted", Adaptation(base, max_tokens=16)),
    ]
    for training in trainings:
        with pytest.raises(ModelError, match=r"the encoder of .* is frozen"):
            training()
    assert not list(tmp_path.glob("*/log.jsonl"))


def test_each_form_of_base_is_what_its_name_says(bases: dict[str, str]) -> None:
    assert list(bases) == [*SINGLES, *PAIRS]
    assert (Path(bases["adapter"]) / "adapter_config.json").is_file()
    assert len(encoder_directories(bases["pair"])) == len(encoder_directories(bases["QUESTION,PASSAGE"])) == 2
    [module] = load_encoder(bases["pair with a Dense"], "fp32", "torch").question_encoder.head
    assert isinstance(module, Dense)
