"""Export encoders and cross-encoders: whole weights for other libraries, or adapters in less space."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dpr.errors import ConfigError, ModelError
from dpr.models.checkpoint import base_of, is_adapter, load_model, load_tokenizer, resolve, save_tokenizer
from dpr.models.cross_encoder import load_classifier
from dpr.models.dpr_checkpoint import encoder_class
from dpr.models.locate import locate_encoders
from dpr.models.lower_rank import lower_rank
from dpr.models.output import check_output, copy_adapter, replaced_model
from dpr.models.pair import PAIR_CONFIG
from dpr.models.sentence_transformers import read_head, write_prompts, write_sentence_transformers_files
from dpr.models.text_encoder import EncoderConfig, TextEncoder, hidden_dimension
from dpr.types import EncoderOptions

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float8_e5m2}
"""Numbers on disk. Of fp8's two forms this one (Micikevicius et al. 2022, E5M2) has fp16's range: it needs no scale."""
MOST_LOST, NEGLIGIBLE = 0.2, 1e-5
"""What a weight may lose by another dtype: a share of its norm (fp8 takes about 0.05), and a norm without effect."""
FORMS = ("whole", "as-is")
RECORD = "training.json"
FUSION = "fusion.json"
"""Files beside the encoders: the record of their training, and how their scores and BM25's are fused."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """How weights are written.

    ``whole`` merges adapters into their base, so that other libraries can open the model. ``as-is`` keeps adapters,
    with a lower ``lora_rank`` if it is not 0. ``dtype`` is that of the weights on disk; they are always loaded as fp32.
    ``fp8`` is for adapters alone, whose heads are then fp16.

    Raises:
        ConfigError: the form or the dtype is unknown, or whole weights are to have a rank or fp8.
    """

    form: str = "whole"
    dtype: str = "fp32"
    lora_rank: int = 0

    def __post_init__(self) -> None:
        if self.form not in FORMS or self.dtype not in DTYPES:
            raise ConfigError(
                f"form {self.form!r} or dtype {self.dtype!r} is unknown; choose {' or '.join(FORMS)}, "
                f"and {', '.join(DTYPES)}"
            )
        if self.form == "whole":
            self.check_adapters(())

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type of the weights on disk."""
        return DTYPES[self.dtype]

    def check_adapters(self, models: Iterable[Path]) -> None:
        """Refuse a rank, and fp8, for models that are not written as adapters.

        Raises:
            ConfigError: there is a rank or fp8, and the form is ``whole`` or a model is no adapter.
        """
        options = {f"--lora-rank {self.lora_rank}": self.lora_rank, "--dtype fp8": self.dtype == "fp8"}
        option = next((option for option, is_given in options.items() if is_given), None)
        if option and (self.form == "whole" or not all(map(is_adapter, models))):
            raise ConfigError(f"{option} is for adapters that stay adapters; give an adapter and --form as-is")


def export(
    name: str,
    output: Path,
    written_as: ExportFormat = ExportFormat(),
    options: EncoderOptions = EncoderOptions(),  # noqa: B008 - frozen
    overwrite: bool = False,
) -> dict[str, object]:
    """Write question and passage encoder to another folder and return a summary.

    Of ``whole`` weights, ``AutoModel.from_pretrained`` and sentence-transformers can open each encoder. The ``options``
    are recorded in the files.

    Raises:
        ConfigError: an option is unknown, there is no adapter of a higher rank, the output is the encoder itself or its
            base, or it holds a model and ``overwrite`` is not set.
        ModelError: the encoder cannot be loaded, or its numbers are outside the dtype's range.
    """
    question, passage, config = locate_encoders(name, options)
    pair = question.parent if (question.parent / PAIR_CONFIG).is_file() else Path(name)
    check_output(output, [name], overwrite)
    encoders = {"question": question} | ({} if passage == question else {"passage": passage})
    written_as.check_adapters(encoders.values())
    with replaced_model(output) as folder:
        (folder / PAIR_CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
        for role, directory in encoders.items():
            if written_as.form == "whole" or base_of(directory) == directory:
                _write_whole(directory, folder / role, config, written_as.torch_dtype)
            else:
                _copy(directory, folder / role, written_as)
                write_prompts(folder / role, config)
        for name in (RECORD, FUSION):
            if (pair / name).is_file():
                shutil.copyfile(pair / name, folder / name)
        size = size_of(folder)
    return {"output": str(output), "encoders": len(encoders), **summary(written_as), "size_bytes": size}


def summary(written_as: ExportFormat) -> dict[str, object]:
    """Return the form and the dtype of an export, as its summary tells them."""
    return {"form": written_as.form, "dtype": written_as.dtype}


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def export_cross_encoder(
    name: str,
    output: Path,
    written_as: ExportFormat = ExportFormat(),
    overwrite: bool = False,
) -> dict[str, object]:
    """Write a cross-encoder to another folder and return a summary.

    Raises:
        ConfigError: there is no adapter of a higher rank, the output is the model itself or its base, or it holds a
            model and ``overwrite`` is not set.
        ModelError: it cannot be loaded, is no cross-encoder, or its numbers are outside the dtype's range.
    """
    directory = resolve(name)
    written_as.check_adapters([directory])
    model = load_classifier(directory)
    check_output(output, [name], overwrite)
    with replaced_model(output) as folder:
        if written_as.form == "as-is" and is_adapter(directory):
            _copy(directory, folder, written_as)
        else:
            converted_model(model, written_as.torch_dtype).save_pretrained(folder)
            save_tokenizer(load_tokenizer(directory), folder)
            if (directory / RECORD).is_file():
                shutil.copyfile(directory / RECORD, folder / RECORD)
        size = size_of(folder)
    return {"output": str(output), **summary(written_as), "size_bytes": size}


def _write_whole(directory: Path, folder: Path, config: EncoderConfig, dtype: torch.dtype) -> None:
    model: Any = load_model(encoder_class(directory), directory)
    converted_model(model, dtype).save_pretrained(folder)
    save_tokenizer(load_tokenizer(directory), folder)
    head = read_head(directory)
    config = TextEncoder(model, config, head).config  # raises where the options do not fit
    write_sentence_transformers_files(folder, config, hidden_dimension(model), head)


def _copy(directory: Path, folder: Path, written_as: ExportFormat) -> None:
    """Copy an adapter with its tokenizer, with weights of another dtype and perhaps a lower rank."""
    folder.mkdir(exist_ok=True)
    copy_adapter(directory, folder)
    if written_as.lora_rank:
        lower_rank(folder, written_as.lora_rank)
    for path in (*folder.glob("*.safetensors"), *folder.glob("*_Dense/*.safetensors")):
        convert_weights(path, written_as.torch_dtype)


def converted_model(model: Any, dtype: torch.dtype) -> Any:
    """Return a whole model with weights of another dtype.

    Raises:
        ModelError: its numbers are outside the dtype's range.
    """
    for name, weight in model.state_dict().items():
        if weight.is_floating_point():
            _converted(name, weight, dtype)
    return model.to(dtype)


def convert_weights(path: Path, dtype: torch.dtype) -> None:
    """Write a safetensors file's weights in another dtype; in fp8, those that are not LoRA's matrices are in fp16.

    Raises:
        ModelError: it cannot be read, or its numbers are outside the dtype's range.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: _converted(name, file.get_tensor(name), dtype) for name in list(file.keys())}
            metadata = file.metadata()
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path.name} cannot be read as weights ({error}); save the model again") from error
    save_file(tensors, path, metadata)


def _converted(name: str, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if dtype == DTYPES["fp8"] and not (".lora_" in name and weight.ndim > 1):
        dtype = torch.float16  # a bias, DoRA's magnitudes or a head
    converted = weight.to(dtype)
    lost = torch.linalg.vector_norm(converted.float() - weight.float())
    if not lost <= MOST_LOST * torch.linalg.vector_norm(weight.float()) + NEGLIGIBLE:  # infinite and NaN are refused
        largest, smallest = weight.float().abs().max(), torch.finfo(dtype).tiny
        raise ModelError(
            f"{name} has numbers of up to {largest:.2g}, and {str(dtype).removeprefix('torch.')} keeps those of "
            f"{smallest:.2g} to {torch.finfo(dtype).max:.2g}; choose another --dtype, or another training"
        )
    return converted
