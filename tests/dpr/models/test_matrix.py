"""Encoders as sentence-transformers and transformers save them: the vectors are those of that library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

from dpr.models.encoders import load_encoder
from dpr.models.export import export
from dpr.types import EncoderOptions, FloatArray, Passage

QUESTIONS = ["Who?", "누가 한글을 만들었나?", "Why was the Observatory built? " * 9]
PASSAGES = ["In 1443.", "King Sejong made the letters of Korean. " * 9]
SIZES = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
SWITCHES = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def save(base: Path, folder: Path, *after: nn.Module, mode: Any = "mean", **options: Any) -> Path:
    """Save a base with a pooling and the modules after it, as the installed sentence-transformers does."""
    torch.manual_seed(0)
    modules = [Transformer(str(base), max_seq_length=options.pop("length", None)), Pooling(32, mode), *after]
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder), create_model_card=False)
    return folder


def library_vectors(folder: Path) -> tuple[FloatArray, FloatArray]:
    """Return what the library gives for questions and passages, one at a time."""
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    questions = np.stack([library.encode_query(text) for text in QUESTIONS])
    return questions, np.stack([library.encode_document(text) for text in PASSAGES])


def our_vectors(folder: Path, backend: str = "torch", options: EncoderOptions | None = None) -> tuple[Any, Any]:
    encoder = load_encoder(folder, "fp32", backend, options or EncoderOptions())
    passages = [Passage(str(number), text) for number, text in enumerate(PASSAGES)]
    return encoder.encode_questions(QUESTIONS), encoder.encode_passages(passages)


def assert_same(ours: tuple[Any, Any], library: tuple[Any, Any]) -> None:
    for mine, theirs in zip(ours, library, strict=True):
        assert mine.shape == theirs.shape
        lengths = np.linalg.norm(mine, axis=1), np.linalg.norm(theirs, axis=1)
        assert ((mine * theirs).sum(1) / (lengths[0] * lengths[1])).min() >= 0.9999
        np.testing.assert_allclose(*lengths, rtol=1e-3)


def normalized(vectors: FloatArray) -> FloatArray:
    result: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return result


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize("mode", [*MODES, ["mean", "cls"], ["cls", "max", "lasttoken"]], ids=str)
def test_each_pooling_in_the_newer_form(tiny_checkpoint: Path, tmp_path: Path, mode: Any) -> None:
    folder = save(tiny_checkpoint, tmp_path / "saved", mode=mode)
    library = library_vectors(folder)
    assert_same(our_vectors(folder), library)
    export(str(folder), tmp_path / "whole")
    assert_same(library_vectors(tmp_path / "whole" / "question"), library)


@pytest.mark.parametrize("modes", [*([mode] for mode in MODES), ["cls", "mean", "lasttoken"], []], ids=str)
def test_each_pooling_in_the_older_form(tiny_checkpoint: Path, tmp_path: Path, modes: list[str]) -> None:
    folder = save(tiny_checkpoint, tmp_path)
    switches = {switch: mode in modes for mode, switch in SWITCHES.items()}
    config = json.dumps({"word_embedding_dimension": 32, **switches})
    (folder / "1_Pooling" / "config.json").write_text(config, encoding="utf-8")
    assert_same(our_vectors(folder), library_vectors(folder))


@pytest.mark.parametrize("mode", ["max", "weightedmean", "lasttoken"])
def test_openvino_pools_as_the_library_does(tiny_checkpoint: Path, tmp_path: Path, mode: str) -> None:
    folder = save(tiny_checkpoint, tmp_path, Dense(32, 16), mode=mode)
    assert_same(our_vectors(folder, "openvino"), library_vectors(folder))


HEADS: dict[str, Callable[[], list[nn.Module]]] = {
    "identity": lambda: [Dense(32, 16, activation_function=nn.Identity())],
    "tanh": lambda: [Dense(32, 16)],
    "relu, no bias": lambda: [Dense(32, 16, bias=False, activation_function=nn.ReLU())],
    "two maps": lambda: [Dense(32, 64, activation_function=nn.GELU()), Dense(64, 16), Normalize()],
    "layer norm": lambda: [LayerNorm(32)],
    "normalized before the map": lambda: [Normalize(), Dense(32, 16, activation_function=nn.Identity())],
    "normalized before and after": lambda: [LayerNorm(32), Normalize(), Dense(32, 16), Normalize()],
}


@pytest.mark.parametrize("name", HEADS)
def test_each_head_in_its_order_also_when_written_again(tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    modules = HEADS[name]()
    for module in modules:
        for weight in module.parameters():
            nn.init.normal_(weight)
    folder = save(tiny_checkpoint, tmp_path / "saved", *modules)
    library = library_vectors(folder)
    assert_same(our_vectors(folder), library)
    export(str(folder), tmp_path / "whole")
    assert_same(our_vectors(tmp_path / "whole"), library)
    assert_same(library_vectors(tmp_path / "whole" / "question"), library)


def test_weights_of_a_head_in_the_older_file(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = save(tiny_checkpoint, tmp_path, Dense(32, 16))
    library, path = library_vectors(folder), folder / "2_Dense" / "model.safetensors"
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()
    assert_same(our_vectors(folder), library)


@pytest.mark.parametrize(
    "prompts",
    [
        {"query": "query: ", "document": "passage: "},
        {"query": "Ask: "},
        {"query": "", "document": "text: ", "corpus": "unused "},
    ],
    ids=str,
)
def test_recorded_prompts(tiny_checkpoint: Path, tmp_path: Path, prompts: Mapping[str, str]) -> None:
    folder = save(tiny_checkpoint, tmp_path / "saved", Normalize(), prompts=prompts)
    library = library_vectors(folder)
    assert_same(our_vectors(folder), library)
    export(str(folder), tmp_path / "whole")
    assert_same(our_vectors(tmp_path / "whole"), library)
    assert_same(library_vectors(tmp_path / "whole" / "question"), library)


@pytest.mark.parametrize("name", ["passage", "corpus"])
def test_a_recorded_prompt_that_the_library_ignores_is_used_and_logged(
    tiny_checkpoint: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It saves an empty prompt for ``document`` beside this one, and then takes that."""
    folder = save(tiny_checkpoint, tmp_path, Normalize(), prompts={"query": "query: ", name: "passage: "})
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    expected = np.stack([library.encode(text, prompt_name=name) for text in PASSAGES])
    assert_same(our_vectors(folder), (library_vectors(folder)[0], expected))
    assert f"the prompt 'passage: ' for '{name}' and an empty one for 'document'" in caplog.text


def test_prompts_of_the_options_win(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = save(tiny_checkpoint, tmp_path / "saved", Normalize(), prompts={"query": "query: "})
    other = save(tiny_checkpoint, tmp_path / "other", Normalize(), prompts={"query": "", "document": "text: "})
    options = EncoderOptions(question_prompt="", passage_prompt="text: ")
    assert_same(our_vectors(folder, options=options), library_vectors(other))
    recorded, changed = (load_encoder(folder, backend="torch", options=how) for how in (EncoderOptions(), options))
    assert recorded.fingerprint != changed.fingerprint
    assert (changed.question_prompt, changed.passage_prompt) == ("", "text: ")


@pytest.mark.parametrize("length", [16, 100, 400])
def test_recorded_lengths(tiny_checkpoint: Path, tmp_path: Path, length: int) -> None:
    folder = save(tiny_checkpoint, tmp_path, length=length)
    encoder = load_encoder(folder, backend="torch")
    assert encoder.config.question_tokens == encoder.config.passage_tokens == min(length, 128)
    if length <= 128:  # the library fails beyond the model's positions
        assert_same(our_vectors(folder), library_vectors(folder))


@pytest.mark.parametrize("name", ["sentence_bert_config.json", "sentence_roberta_config.json"])
def test_the_older_files_of_lengths_and_lower_casing(tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    folder = save(tiny_checkpoint, tmp_path)
    (folder / "sentence_bert_config.json").unlink()
    (folder / name).write_text('{"max_seq_length": 24, "do_lower_case": true}', encoding="utf-8")
    state = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    state["normalizer"]["lowercase"] = False  # a cased tokenizer
    (folder / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    edit_json(folder / "tokenizer_config.json", do_lower_case=False)
    assert_same(our_vectors(folder), library_vectors(folder))


def test_vectors_are_cut_to_the_recorded_dimension_or_that_of_the_options(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = save(tiny_checkpoint, tmp_path / "saved", truncate_dim=8)
    assert_same(our_vectors(folder), library_vectors(folder))
    whole = save(tiny_checkpoint, tmp_path / "whole", Normalize())
    library = library_vectors(whole)
    questions, passages = (normalized(vectors[:, :8]) for vectors in library)
    for backend in ("torch", "openvino"):
        ours = our_vectors(whole, backend, EncoderOptions(dimension=8))
        assert_same(ours, (questions, passages))


def roberta_like(name: str) -> transformers.PreTrainedModel:
    config = getattr(transformers, f"{name}Config")(vocab_size=593, **SIZES, max_position_embeddings=66, pad_token_id=1)
    model: transformers.PreTrainedModel = getattr(transformers, f"{name}Model")(config)
    return model


def language_model(name: str, suffix: str = "Model", **more: Any) -> transformers.PreTrainedModel:
    config = getattr(transformers, f"{name}Config")(vocab_size=593, **{**SIZES, **more})
    model: transformers.PreTrainedModel = getattr(transformers, f"{name}{suffix}")(config)
    return model


def t5(name: str) -> transformers.PreTrainedModel:
    config = transformers.T5Config(vocab_size=593, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
    model: transformers.PreTrainedModel = getattr(transformers, name)(config)
    return model


ENCODERS: dict[str, Callable[[], Any]] = {
    "Roberta": lambda: roberta_like("Roberta"),
    "XLMRoberta": lambda: roberta_like("XLMRoberta"),
    "MPNet": lambda: roberta_like("MPNet"),
    "DistilBert": lambda: language_model("DistilBert", dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    "Electra": lambda: language_model("Electra", embedding_size=16),
    "Albert": lambda: language_model("Albert", embedding_size=16),
    "DebertaV2": lambda: language_model("DebertaV2", relative_attention=True, position_biased_input=False),
    "ModernBert": lambda: language_model("ModernBert", pad_token_id=0, local_attention=16),
    "NomicBert": lambda: language_model("NomicBert"),
    "T5": lambda: t5("T5ForConditionalGeneration"),
    "T5 encoder": lambda: t5("T5EncoderModel"),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_each_architecture(tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    shutil.copytree(tiny_checkpoint, tmp_path / "base", ignore=shutil.ignore_patterns("model*", "config.json"))
    ENCODERS[name]().save_pretrained(tmp_path / "base")
    folder = save(tmp_path / "base", tmp_path / "saved", length=64)
    assert_same(our_vectors(folder), library_vectors(folder))
    if name in ("Roberta", "ModernBert"):
        assert_same(our_vectors(folder, "openvino"), library_vectors(folder))


DECODERS: dict[str, Callable[[], Any]] = {
    "Qwen3": lambda: language_model("Qwen3", num_key_value_heads=1, head_dim=16),
    "Qwen3 with its head": lambda: language_model("Qwen3", "ForCausalLM", num_key_value_heads=1, head_dim=16),
    "Llama": lambda: language_model("Llama", num_key_value_heads=1),
    "Mistral": lambda: language_model("Mistral", num_key_value_heads=1, sliding_window=16),
}


@pytest.fixture(scope="module")
def decoder_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A byte-level tokenizer that pads at the left and ends a text with a token of its own."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {piece: number for number, piece in enumerate(["<end>", *letters, *(f"piece {n}" for n in range(330))])}
    tokenizer = Tokenizer(models.BPE(pieces, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <end>", pair="$A <end> $B <end>", special_tokens=[("<end>", 0)]
    )
    special = {"eos_token": "<end>", "pad_token": "<end>"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, padding_side="left", model_max_length=96, **special
    )


@pytest.mark.parametrize("name", DECODERS)
def test_each_decoder(decoder_tokenizer: transformers.PreTrainedTokenizerFast, tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    DECODERS[name]().save_pretrained(tmp_path / "base")
    decoder_tokenizer.save_pretrained(tmp_path / "base")
    folder = save(tmp_path / "base", tmp_path / "saved", Normalize(), mode="lasttoken", prompts={"query": "Query: "})
    assert_same(our_vectors(folder), library_vectors(folder))
    if name == "Mistral":
        assert_same(our_vectors(folder, "openvino"), library_vectors(folder))
    if name == "Qwen3 with its head":  # without modules: pooled by the last token, as the library does
        questions, passages = (normalized(vectors) for vectors in library_vectors(tmp_path / "base"))
        assert_same(our_vectors(tmp_path / "base"), (questions, passages))
