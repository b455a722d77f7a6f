"""Models that cannot be used as their library uses them are refused in one sentence, and none of their code is run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from dpr.errors import DPRError, ModelError
from dpr.models.cross_encoder import load_cross_encoder
from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.reader.extractive.reader import load_reader
from dpr.train.encoder.model import make_pair
from dpr.train.encoder.settings import Training
from dpr.types import EncoderOptions
from tests.tiny_models import make_cross_encoder

LOADERS: dict[str, Callable[[Path], object]] = {
    "encoder": partial(load_encoder, backend="torch"),
    "training base": lambda folder: make_pair(Training(base=str(folder))),
    "reader": lambda folder: load_reader(str(folder), backend="torch"),
    "cross-encoder": load_cross_encoder,
}
MODULES = [
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
]


@pytest.fixture(params=LOADERS)
def loader_and_folder(
    request: pytest.FixtureRequest, tiny_checkpoint: Path, tiny_reader: Path, tmp_path: Path
) -> tuple[Callable[[Path], object], Path]:
    """A way to load a model, and a copy of a model that it loads."""
    folder = tmp_path / "model"
    if request.param == "cross-encoder":
        make_cross_encoder(tiny_checkpoint, folder)
    else:
        shutil.copytree(tiny_reader if request.param == "reader" else tiny_checkpoint, folder)
    return LOADERS[request.param], folder


def change(path: Path, **changes: object) -> None:
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(before | changes), encoding="utf-8")


def without_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)


def with_few_tokens(folder: Path) -> None:
    (folder / "tokenizer.json").unlink(missing_ok=True)
    letters = [*"abcdefghij"]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]) + "\n")


def with_tokens_beyond_the_model(folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["세종대왕"])
    tokenizer.save_pretrained(folder)


def with_remote_code(folder: Path) -> None:
    (folder / "modeling_x.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n", encoding="utf-8")
    names = {name: f"modeling_x.X{name}" for name in ("AutoConfig", "AutoModel", "AutoModelForQuestionAnswering")}
    change(folder / "config.json", model_type="x_bert", auto_map=names)


def with_gguf_alone(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.gguf")


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tokenizer": (without_tokenizer, r"has no tokenizer \(no tokenizer\.json, vocab\.txt"),
    "few tokens": (with_few_tokens, "has 15 tokens with ids up to 14, but the model has 593 word embeddings"),
    "tokens beyond": (with_tokens_beyond_the_model, "has 594 tokens with ids up to 593, but the model has 593"),
    "remote code": (with_remote_code, "needs the Python code in its folder .*'x_bert'.*never run"),
    "unknown type": (
        lambda folder: change(folder / "config.json", model_type="y_bert"),
        "is of the model type 'y_bert', which transformers .* does not know",
    ),
    "quantized": (
        lambda folder: change(folder / "config.json", quantization_config={"quant_method": "gptq"}),
        r"weights that are quantized \(gptq\)",
    ),
    "GGUF": (with_gguf_alone, "its weights are in the format of GGUF"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "it has no weights"),
    "damaged tokenizer": (lambda folder: (folder / "tokenizer.json").write_bytes(b"{"), "no tokenizer could be loaded"),
}


def test_every_loader_opens_a_sound_folder(loader_and_folder: tuple[Callable[[Path], object], Path]) -> None:
    load, folder = loader_and_folder
    assert load(folder) is not None


@pytest.mark.parametrize("name", REFUSALS)
def test_every_loader_refuses_what_no_library_should_open(
    loader_and_folder: tuple[Callable[[Path], object], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load, folder = loader_and_folder
    damage, sentence = REFUSALS[name]
    damage(folder)
    monkeypatch.setattr("builtins.input", lambda _question="": pytest.fail("asked a question on the terminal"))
    with pytest.raises(ModelError, match=sentence) as refusal:
        load(folder)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 1
    assert not (folder / "ran").exists()


@pytest.fixture
def saved(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint in the form of sentence-transformers, without normalization."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "saved")
    (folder / "modules.json").write_text(json.dumps(MODULES), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    change(folder / "1_Pooling" / "config.json", embedding_dimension=32, pooling_mode="mean")
    return folder


def listing(*after: str, first: str = "Transformer", second: str = "Pooling") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        entries: list[dict[str, Any]] = [
            {"type": name if "." in name else f"sentence_transformers.models.{name}", "path": f"{number}_{name}"}
            for number, name in enumerate([first, second, *after])
        ]
        entries[0]["path"] = ""
        (folder / "modules.json").write_text(json.dumps(entries), encoding="utf-8")

    return write


def setting(file: str, **changes: object) -> Callable[[Path], None]:
    return lambda folder: change(folder / file, **changes)


def with_a_dense_of(**changes: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        listing("Dense")(folder)
        (folder / "2_Dense").mkdir()
        config = {"in_features": 32, "out_features": 16, "activation_function": "torch.nn.modules.activation.Tanh"}
        change(folder / "2_Dense" / "config.json", **(config | changes))
        rows = {"linear.weight": torch.ones(16, 32), "linear.bias": torch.ones(16)}
        save_file(rows, folder / "2_Dense" / "model.safetensors")

    return write


def with_a_dense_of_another_model(folder: Path) -> None:
    with_a_dense_of(in_features=64)(folder)
    rows = load_file(folder / "2_Dense" / "model.safetensors") | {"linear.weight": torch.ones(16, 64)}
    save_file(rows, folder / "2_Dense" / "model.safetensors")


SETTINGS, BERT = "config_sentence_transformers.json", "sentence_bert_config.json"


def with_pickled_code(folder: Path) -> None:
    with_a_dense_of()(folder)
    (folder / "2_Dense" / "model.safetensors").unlink()
    torch.save({"linear.weight": Path("a class, which is code")}, folder / "2_Dense" / "pytorch_model.bin")


ENCODER_REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    **{
        name: (listing(name), f"lists sentence_transformers.models.{name} in 2_{name}")
        for name in ("CNN", "LSTM", "WordWeights", "WeightedLayerPooling", "Router")
    },
    "static embedding": (listing(first="StaticEmbedding"), "lists .*StaticEmbedding in the folder itself"),
    "router": (listing(first="Router"), "lists .*Router in the folder itself"),
    "CLIP": (listing(first="CLIPModel"), "lists .*CLIPModel in the folder itself"),
    "sparse": (listing(second="SpladePooling"), "lists .*SpladePooling in 1_SpladePooling, but only Pooling"),
    "own module": (listing("custom_st.Special"), "lists custom_st.Special"),
    "old layout": (
        lambda folder: (folder / "modules.json").write_text(json.dumps([{**MODULES[0], "path": "0_BERT"}])),
        "lists .*Transformer in 0_BERT",
    ),
    "no pooling": (
        lambda folder: (folder / "modules.json").write_text(json.dumps(MODULES[:1])),
        "lists no Pooling",
    ),
    "pooling": (setting("1_Pooling/config.json", pooling_mode="median"), "pools by 'median'"),
    "activation": (with_a_dense_of(activation_function="custom.Swish"), "has the activation 'custom.Swish'"),
    "residual": (with_a_dense_of(use_residual=True), "is a Dense module with a residual"),
    "dense of tokens": (with_a_dense_of(module_input_name="token_embeddings"), "for other than sentence embeddings"),
    "dense of another model": (with_a_dense_of_another_model, "expects vectors of 64 numbers and gets 32"),
    "damaged dense": (with_a_dense_of(out_features=8), "cannot be read as a Dense"),
    "pickled code": (with_pickled_code, "cannot be read as a Dense"),
    "splade": (setting(SETTINGS, model_type="SparseEncoder"), "is a SparseEncoder"),
    "distance": (setting(SETTINGS, similarity_fn_name="euclidean"), "compares vectors by euclidean distance"),
    "chat template": (setting(BERT, modality_config={"message": {"method": "forward"}}), "sets modality_config"),
    "task": (setting(BERT, transformer_task="fill-mask"), "sets transformer_task to .fill-mask"),
    "expansion": (setting(BERT, query_expansion={"strategy": "fixed", "length": 32}), "sets query_expansion"),
    "model arguments": (setting(BERT, model_args={"default_task": "retrieval"}), "sets default_task"),
    "dimension": (setting(SETTINGS, truncate_dim=64), "dimension is 64, but the encoder's vectors have 32"),
    "encoder and decoder": (setting("config.json", model_type="bart", is_encoder_decoder=True), "is a bart of encoder"),
}


@pytest.mark.parametrize("name", ENCODER_REFUSALS)
def test_an_encoder_with_an_unsupported_setting_is_refused(saved: Path, name: str) -> None:
    damage, sentence = ENCODER_REFUSALS[name]
    damage(saved)
    with pytest.raises(DPRError, match=sentence) as refusal:
        load_encoder(saved)
    assert "\n" not in str(refusal.value)


def test_a_sound_folder_of_the_same_form_is_opened(saved: Path) -> None:
    assert load_encoder(saved, backend="torch").dimension == 32


def test_prompts_that_are_not_pooled_are_refused_and_empty_ones_are_not(saved: Path) -> None:
    change(saved / "1_Pooling" / "config.json", include_prompt=False)
    change(saved / SETTINGS, prompts={"query": "Represent: "})
    with pytest.raises(ModelError, match="excludes the tokens of its prompt"):
        load_encoder(saved)
    assert load_encoder(saved, backend="torch", options=EncoderOptions(question_prompt="")).question_prompt == ""


def test_a_prompt_that_leaves_no_room_is_refused(saved: Path) -> None:
    change(saved / BERT, max_seq_length=16)
    with pytest.raises(ModelError, match="fills all 16 tokens"):
        load_encoder(saved, options=EncoderOptions(passage_prompt="a prompt of many letters: "))


def test_an_adapter_without_its_base_is_refused(tmp_path: Path) -> None:
    change(tmp_path / "adapter_config.json", base_model_name_or_path="nobody/nothing")
    with pytest.raises(ModelError, match=r"needs its base nobody/nothing, which is not available"):
        load_encoder(tmp_path)
    change(tmp_path / "adapter_config.json", base_model_name_or_path=str(tmp_path))
    with pytest.raises(ModelError, match="names itself as its base"):
        load_encoder(tmp_path)


def test_two_encoders_that_are_not_used_alike_are_no_pair(saved: Path, tmp_path: Path) -> None:
    other = shutil.copytree(saved, tmp_path / "other")
    change(other / "1_Pooling" / "config.json", pooling_mode="cls")
    with pytest.raises(ModelError, match="the question encoder has pooling 'mean' and the passage encoder 'cls'"):
        load_encoder(f"{saved},{other}")


def test_a_model_whose_vectors_need_token_types_or_depend_on_padding_is_refused(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / "gpt2", ignore=shutil.ignore_patterns("model*", "config.json"))
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=593, n_embd=32, n_layer=1, n_head=2, initializer_range=0.3)
    transformers.GPT2Model(config).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ModelError, match="GPT2Model: its vectors depend on token types"):
        load_encoder(tmp_path / "gpt2")
    shutil.copytree(tiny_checkpoint, tmp_path / "funnel", ignore=shutil.ignore_patterns("model*", "config.json"))
    pooled = transformers.FunnelConfig(
        vocab_size=593, d_model=32, n_head=2, d_head=16, d_inner=64, block_sizes=[1, 1], initializer_range=0.3
    )
    transformers.FunnelModel(pooled).save_pretrained(tmp_path / "funnel")
    with pytest.raises(ModelError, match="FunnelModel: its vectors depend on padding"):
        load_encoder(tmp_path / "funnel")


def test_a_pair_is_no_reader(tiny_checkpoint: Path, tmp_path: Path) -> None:
    export(str(tiny_checkpoint), tmp_path / "pair")
    with pytest.raises(ModelError, match="is a pair of encoders and no AutoModelForQuestionAnswering"):
        load_reader(tmp_path / "pair")
