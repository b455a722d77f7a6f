"""Run a torch module by OpenVINO on the CPU, for batches of any size and length.

OpenVINO traces the module once and compiles the graph for this CPU. The package is optional (the extra ``openvino``)
and imported when the first module is compiled.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dpr.errors import ConfigError, MissingDependencyError, ModelError
from dpr.models.checkpoint import first_line, quiet_transformers
from dpr.models.openvino_cache import default_folder, entry_name, load_graph, save_graph
from dpr.threads import thread_budget
from dpr.types import FloatArray, IntArray

PRECISION_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}

Shape = tuple[int, ...]
"""The shape of a model's inputs, (N, T)."""

ANY_SHAPE: Shape = (-1, -1)

PROBE_SHAPE: Shape = (3, 5)
"""Inputs that a graph of any shape is compared with its module on; it was traced with others."""

MOST_PROBE_ERROR = 0.2
"""The greatest mean error of a graph's outputs, as a share of their mean size: bf16 has some hundredths.

Where large numbers cancel out, as in a logit near 0, it has more: then fp32 is compared.
"""

_TELEMETRY = "openvino_telemetry"
_GRAPH_FORMAT = "1"
"""Changes whenever the conversion of modules changes."""

_importing = threading.Lock()
logger = logging.getLogger(__name__)


class OpenVINOModel:
    """A compiled module: takes named token arrays and returns the module's tensors in their order.

    Several threads may call it at once; each call has its own buffers, and concurrent calls run one after the other.
    """

    def __init__(self, compiled: Any, input_names: Sequence[str]) -> None:
        self.input_names = tuple(input_names)
        self._compiled = compiled
        self._idle: deque[Any] = deque()

    def __call__(self, inputs: Mapping[str, IntArray]) -> list[FloatArray]:
        """Return the outputs for inputs of one shape (N, T), as arrays that the caller owns.

        Raises:
            ModelError: an input is missing or unknown, or has a shape that the module cannot process.
        """
        if set(inputs) != set(self.input_names):
            raise ModelError(
                f"this model was compiled for {', '.join(self.input_names)} and got {', '.join(inputs) or 'nothing'}; "
                "pass exactly those inputs"
            )
        arrays = [np.ascontiguousarray(inputs[name], dtype=np.int64) for name in self.input_names]
        shape = arrays[0].shape
        if any(array.shape != shape for array in arrays):  # OpenVINO itself refuses them with several threads alone
            listed = ", ".join(str(array.shape) for array in arrays)
            raise ModelError(f"the inputs have the shapes {listed}; pass inputs of one shape")
        try:
            return self._infer(arrays)
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot run inputs of shape {shape} ({first_line(error)}); "
                "pass inputs no longer than the model's positions"
            ) from error

    def _infer(self, arrays: Sequence[IntArray]) -> list[FloatArray]:
        """Return copies of the outputs; a request that failed is not used again."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.infer(list(arrays), share_inputs=True, share_outputs=True)
        outputs = [
            np.array(request.get_output_tensor(number).data, dtype=np.float32)
            for number in range(len(self._compiled.outputs))
        ]
        self._idle.append(request)
        return outputs


def is_available() -> bool:
    """Tell whether the package ``openvino`` is installed, without importing it."""
    return find_spec("openvino") is not None


def compile_openvino(
    module: nn.Module,
    example_inputs: Mapping[str, torch.Tensor],
    precision: torch.dtype = torch.float32,
    cache_key: str | None = None,
    cache_folder: Path | None = None,
) -> OpenVINOModel:
    """Return a module, in eval mode and on the CPU, as an OpenVINO model for inputs of any shape.

    ``example_inputs`` are the module's named inputs, each (N, T) of integers with N and T of at least 2. The module may
    return a tensor, a tuple or a mapping of tensors; None is skipped. ``cache_key`` identifies the module, such as the
    content hash of its files: the converted graph is then stored in ``cache_folder`` (by default
    `dpr.models.openvino_cache.default_folder`). Without a key it is converted each time.

    Raises:
        ConfigError: a precision other than float32 or bfloat16.
        MissingDependencyError: the extra ``openvino`` is not installed.
        ModelError: the module cannot be converted.
    """
    return compile_shapes(module, example_inputs, [ANY_SHAPE], precision, cache_key, cache_folder)[0]


def compile_shapes(
    module: nn.Module,
    example_inputs: Mapping[str, torch.Tensor],
    shapes: Sequence[Shape],
    precision: torch.dtype = torch.float32,
    cache_key: str | None = None,
    cache_folder: Path | None = None,
) -> list[OpenVINOModel]:
    """Return a module as an OpenVINO model for each shape of its inputs; see `compile_openvino`, which raises the same.

    A model of one shape takes less time: the plan of an inference is made once, not at each change of shapes. Each has
    a copy of the weights.
    """
    if precision not in PRECISION_HINTS:
        supported = " or ".join(str(dtype) for dtype in PRECISION_HINTS)
        raise ConfigError(f"the precision {precision} is not supported with OpenVINO; choose {supported}")
    openvino = import_openvino()
    names = tuple(example_inputs)
    if cache_key is None:
        graph = _convert(openvino, module, example_inputs)
    else:
        entry = (cache_folder or default_folder()) / _entry_of(module, names, cache_key)
        graph = load_graph(openvino, entry)
        if graph is None:
            graph = _convert(openvino, module, example_inputs)
            save_graph(openvino, graph, entry)
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,  # all threads work on one batch
        "INFERENCE_NUM_THREADS": thread_budget(),
        "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
    }
    core = openvino.Core()

    def compiled(hint: str) -> OpenVINOModel:
        return OpenVINOModel(core.compile_model(graph, "CPU", {**properties, "INFERENCE_PRECISION_HINT": hint}), names)

    models = []
    for shape in shapes:
        graph.reshape({name: list(shape) for name in names})
        models.append(compiled(PRECISION_HINTS[precision]))
        probe_shape = PROBE_SHAPE if shape == ANY_SHAPE else shape
        _refuse_other_results(module, models[-1], lambda: compiled("f32"), probe_shape)
    return models


def _refuse_other_results(
    module: nn.Module, model: OpenVINOModel, in_fp32: Callable[[], OpenVINOModel], shape: Shape
) -> None:
    """Run a module and its graph on inputs of a shape: what Python computed during the trace is fixed in the graph.

    Raises:
        ModelError: they give other results, and not by rounding alone.
    """
    inputs = {name: _probe(name, shape) for name in model.input_names}
    with torch.inference_mode():
        tensors = [torch.from_numpy(array) for array in inputs.values()]
        expected = [tensor.float().numpy() for tensor in _outputs(module, tensors, model.input_names)]
    try:
        results = model(inputs)
        if all(map(_is_alike, results, expected)):
            return
        is_rounded = all(map(_has_numbers, results, expected)) and all(map(_is_alike, in_fp32()(inputs), expected))
    except ModelError:
        is_rounded = False
    if not is_rounded:
        raise ModelError(f"{_name_of(module)} gives other results by OpenVINO than by torch; use the backend torch")
    sentence = "%s gives results in bf16 that are far from those in fp32 for some inputs; with poor hits, use fp32"
    logger.warning(sentence, _name_of(module))


def _name_of(module: nn.Module) -> str:
    """Return the name of a model's architecture."""
    return type(getattr(module, "model", module)).__name__


def _has_numbers(result: FloatArray, expected: FloatArray) -> bool:
    return result.shape == expected.shape and bool(np.isfinite(result[np.isfinite(expected)]).all())


def _is_alike(result: FloatArray, expected: FloatArray) -> bool:
    is_number = np.isfinite(expected)
    if result.shape != expected.shape or not is_number.any():
        return result.shape == expected.shape
    error = np.abs(result - expected)[is_number].mean()
    return bool(error <= MOST_PROBE_ERROR * np.abs(expected[is_number]).mean())


def _probe(name: str, shape: Shape) -> IntArray:
    """Return an input of a module: texts of small token ids, the last of them half as long where there are several."""
    rows, width = shape
    columns = np.tile(np.arange(width), (rows, 1))
    is_text = (columns < width - width // 2) | (np.arange(rows) < max(1, rows - 1))[:, None]
    if name == "input_ids":
        return np.where(is_text, 2 + (columns + np.arange(rows)[:, None]) % 7, 0)
    if name == "position_ids":
        return columns
    return np.zeros(shape, dtype=np.int64) if name == "token_type_ids" else is_text.astype(np.int64)


def import_openvino() -> Any:
    """Import the package ``openvino`` without its telemetry.

    If ``openvino_telemetry`` is installed, importing ``openvino`` writes to the home folder and sends a message, and so
    does each conversion. Without it, ``openvino`` works and does neither. A program that imports ``openvino`` itself
    has made its own choice.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        with _importing, _hidden(_TELEMETRY):
            return importlib.import_module("openvino")
    except ImportError as error:
        raise MissingDependencyError.extra("openvino", "openvino") from error  # noqa: S610  # no Django here


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let imports of a module fail as if it were not installed."""
    modules: dict[str, Any] = sys.modules  # None is how an import is refused
    before = {key: modules.pop(key) for key in list(modules) if key.partition(".")[0] == name}
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]
        modules.update(before)


class _Flat(nn.Module):
    """A module with positional inputs and a tuple of tensors as output, which can be traced."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self.names = tuple(names)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return _outputs(self.module, inputs, self.names)


def _outputs(module: nn.Module, inputs: Iterable[torch.Tensor], names: Sequence[str]) -> tuple[torch.Tensor, ...]:
    """Return the tensors that a module gives for its inputs by name."""
    output = module(**dict(zip(names, inputs, strict=True)))
    if isinstance(output, torch.Tensor):
        return (output,)
    values = output.values() if isinstance(output, Mapping) else output
    return tuple(value for value in values if value is not None)


def _convert(openvino: Any, module: nn.Module, example_inputs: Mapping[str, torch.Tensor]) -> Any:
    started = time.perf_counter()
    names = list(example_inputs)
    try:
        with _undisturbed(), quiet_transformers():
            graph = openvino.convert_model(_Flat(module, names), example_input=tuple(example_inputs.values()))
        for name, parameter in zip(names, graph.inputs, strict=True):
            parameter.get_tensor().set_names({name})
        graph.reshape({name: list(ANY_SHAPE) for name in names})
    except Exception as error:  # the converter has no error class of its own that it holds to
        raise ModelError(
            f"{_name_of(module)} cannot be converted to OpenVINO ({first_line(error)}); use the backend torch"
        ) from error
    logger.info("converted a model (%s) to OpenVINO in %.1f s", _name_of(module), time.perf_counter() - started)
    return graph


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hide the warnings of a trace, and restore the root logger, which a failed conversion changes."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


def _entry_of(module: nn.Module, names: Sequence[str], cache_key: str) -> str:
    versions = [f"{package} {version(package)}" for package in ("openvino", "torch", "transformers")]
    return entry_name(_GRAPH_FORMAT, cache_key, type(module).__qualname__, *names, *versions)
