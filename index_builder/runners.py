"""Who does the heavy work of a build: this process, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from dpr.store.layout import IndexLayout
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.types import Analyzer, Encoder, EncoderOptions
from index_builder.build import LOCAL, Runners
from index_builder.on_ray.cluster import RayOptions, ray_cluster
from index_builder.on_ray.runner import RayRunner


@contextmanager
def runners_of(
    options: RayOptions | None,
    output: Path,
    encoder: Encoder | None,
    analyzer: Analyzer,
    loading: tuple[str, EncoderOptions],
) -> Iterator[Runners]:
    """Yield what encodes and what counts terms; Ray stays connected meanwhile.

    Workers load the encoder as ``loading`` says, the backend and the options, in the arithmetic of ``encoder``.

    Raises:
        MissingDependencyError: Ray is not installed.
        ServerError: the cluster cannot be reached.
    """
    if options is None:
        yield LOCAL
        return
    options = replace(options, storage=_absolute(options.storage or str(IndexLayout(output).pieces)))
    precision = str(getattr(encoder, "precision", "")).removeprefix("torch.")
    load_encoder = partial(_load_encoder, _absolute_names(encoder.name if encoder else ""), precision, *loading)
    runner = RayRunner(options, load_encoder, partial(analyzer_by_name, analyzer.name), precision)
    with ray_cluster(options):
        yield Runners(runner.encode, runner.count)


def _load_encoder(name: str, precision: str, backend: str, options: EncoderOptions) -> Encoder:
    from dpr.models.backends import PRECISIONS
    from dpr.models.encoders import load_encoder

    short_names = {str(value).removeprefix("torch."): key for key, value in PRECISIONS.items()}
    return load_encoder(name, short_names.get(precision, "auto"), backend, options)


def _absolute(location: str) -> str:
    return location if "://" in location else str(Path(location).absolute())


def _absolute_names(name: str) -> str:
    """Return the name of an encoder, or of two, with whole paths: workers have another working folder."""
    return ",".join(str(Path(each).absolute()) if Path(each).exists() else each for each in name.split(","))
