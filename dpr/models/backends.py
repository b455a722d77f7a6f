"""Choose the device, the precision and the backend of a model."""

from __future__ import annotations

import torch

from dpr.config import BACKENDS, ComputeOptions
from dpr.errors import ConfigError
from dpr.models.openvino import is_available

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of matrix products for ``auto``, ``fp32``, ``bf16`` or ``fp16``.

    ``auto`` is bf16 on a device with bf16 arithmetic (a newer GPU, a CPU with AVX512-BF16 or AMX), fp16 on an older GPU
    and fp32 on other CPUs.

    Raises:
        ConfigError: another name, or fp16 on a CPU.
    """
    if name == "auto":
        slower = torch.float16 if device.type == "cuda" else torch.float32
        return torch.bfloat16 if _has_fast_bf16(device) else slower
    if name not in PRECISIONS:
        raise ConfigError(f"unknown precision {name!r}; choose auto, {', '.join(PRECISIONS)}")
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("precision 'fp16' is for GPUs; choose auto, fp32 or bf16 on a CPU")
    return PRECISIONS[name]


def choose_backend(name: str, device: torch.device) -> str:
    """Return the backend of a model, ``openvino`` or ``torch``; ``auto`` is OpenVINO on a CPU, if it is installed.

    Raises:
        ConfigError: another name, or OpenVINO on a GPU.
    """
    if name not in BACKENDS:
        raise ConfigError(f"unknown backend {name!r}; choose {', '.join(BACKENDS)}")
    if name == "openvino" and device.type != "cpu":
        raise ConfigError("backend 'openvino' is for CPUs, and this machine has a GPU; choose auto or torch")
    if name == "auto":
        return "openvino" if device.type == "cpu" and is_available() else "torch"
    return name


def check_compute(compute: ComputeOptions) -> None:
    """Refuse a precision or a backend that this machine does not have.

    Raises:
        ConfigError: fp16 on a CPU, or OpenVINO on a GPU.
    """
    device = choose_device()
    choose_precision(compute.precision, device)
    choose_backend(compute.backend, device)


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
