"""``dpr-index build``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpr.config import DEFAULT_ENCODER, ComputeOptions
from dpr.console import command_line, show_progress
from dpr.data.intake import ReadRules
from dpr.errors import ConfigError
from dpr.text.registry import analyzer as analyzer_by_name
from dpr.types import Encoder, EncoderOptions
from index_builder import options as option
from index_builder.on_ray.cluster import RayOptions, parse_runner
from index_builder.option_groups import with_groups
from index_builder.summary import show_generation, summary

if TYPE_CHECKING:
    from dpr.store.manifest import Manifest
    from index_builder.build import BuildOptions
    from index_builder.chunking import ChunkOptions
    from index_builder.dense import DenseOptions


@with_groups
def build_command(
    corpus: option.Corpus,
    output: option.Output,
    *,
    encoder: option.EncoderName = DEFAULT_ENCODER,
    question_prompt: option.QuestionPrompt = None,
    passage_prompt: option.PassagePrompt = None,
    dimension: option.Dimension = None,
    no_dense: option.NoDense = False,
    vectors: option.Vectors = None,
    splade: option.Splade = None,
    colbert: option.Colbert = None,
    compute: ComputeOptions,
    analyzer: option.AnalyzerName = "ko-en",
    dense_kind: option.DenseKind = option.DEFAULT_KIND,
    dense_parameter: option.DenseParameter = None,
    target_recall: option.TargetRecall = None,
    questions: option.Questions = None,
    bm25_variant: option.BM25Variant = "lucene",
    k1: option.K1 = 1.2,
    b: option.B = 0.75,
    chunk_tokens: option.ChunkTokens = None,
    overlap_tokens: option.OverlapTokens = 0,
    windows: option.Windows = None,
    window_tokens: option.WindowTokens = None,
    window_overlap: option.WindowOverlap = None,
    fields: option.Fields = None,
    rules: ReadRules,
    runner: option.Runner = "local",
    ray_address: option.RayAddress = None,
    ray_storage: option.RayStorage = None,
    ray_actors: option.RayActors = None,
    ray_timeout: option.RayTimeout = None,
    as_json: option.Json = False,
) -> None:
    """Index a corpus and publish it as the next generation of INDEX."""
    from index_builder.build import BuildOptions
    from index_builder.sparse import Bm25Options

    options = BuildOptions(
        sources=tuple(corpus),
        output=output,
        dense=_dense_options(dense_kind, dense_parameter, target_recall, questions, vectors),
        bm25=Bm25Options(bm25_variant, k1=k1, b=b),
        chunk=_chunk_options(chunk_tokens, overlap_tokens),
        windows=option.parse_windows(windows, window_tokens, window_overlap, no_dense=no_dense, vectors=vectors),
        command=command_line("dpr-index"),
        rules=replace(rules, fields=option.parse_fields(fields or ())),
    )
    how = EncoderOptions(question_prompt, passage_prompt, dimension)
    models = Models(None if no_dense else encoder, option.learned_models(splade, colbert), analyzer, compute, how)
    option.refuse_unused("--no-dense" if no_dense else None, encoder, compute, models.learned, how)
    on_ray = parse_runner(runner, ray_address, ray_storage, ray_actors, ray_timeout)
    manifest = _build(options, models, on_ray)
    show_generation(output, summary(manifest), as_json, _next_commands(shlex.quote(str(output))))


def _next_commands(index: str) -> tuple[str, ...]:
    return (
        f'Ask it:     dpr ask --index {index} "…"',
        f"Serve it:   dpr-serve --index {index}",
        f"All facts:  dpr-index list {index} --json",
    )


@dataclass(frozen=True, slots=True)
class Models:
    """The names of the models of a build, and how the encoders are loaded."""

    encoder: str | None
    learned: Mapping[str, str]
    analyzer: str
    compute: ComputeOptions
    encoder_options: EncoderOptions


def _build(options: BuildOptions, models: Models, ray_options: RayOptions | None) -> Manifest:
    from index_builder.build import build
    from index_builder.corpus import check_sources
    from index_builder.learned import load_learned_encoders
    from index_builder.local_sources import local_sources
    from index_builder.runners import runners_of

    terms, compute, how = analyzer_by_name(models.analyzer), models.compute, models.encoder_options
    output, rules = options.output, options.rules
    name = models.encoder
    first = "opening the sources" if name is None else f"opening the sources and loading the encoder {name}"
    with show_progress(first) as progress, local_sources(options.sources, output, rules, progress) as sources:
        check_sources(sources, rules)
        encoder = None if name is None else _load_encoder(name, compute.precision, compute.backend, how)
        learned = load_learned_encoders(models.learned, compute)
        with runners_of(ray_options, output, encoder, terms, (compute.backend, how)) as runners:
            return build(replace(options, sources=sources), encoder, terms, progress, runners, learned)


def _dense_options(
    kind: str, parameters: list[str] | None, target_recall: float | None, questions: list[str] | None, file: str | None
) -> DenseOptions:
    from index_builder.dense import DenseOptions

    return DenseOptions(
        kind,
        option.parse_parameters(parameters or []),
        target_recall=target_recall,
        question_sources=tuple(questions or ()),
        vectors_file=file,
    )


def _chunk_options(tokens: str | None, overlap: int) -> ChunkOptions | None:
    from index_builder.chunking import ChunkOptions

    if tokens is None or tokens.isdecimal():
        return ChunkOptions(None if tokens is None else int(tokens), overlap=overlap)
    if tokens != "none":
        raise ConfigError(f"--chunk-tokens is {tokens!r}; give a number of tokens, or none to cut nothing")
    if overlap:
        raise ConfigError(f"--overlap-tokens is {overlap}, but --chunk-tokens none cuts nothing; leave one of them out")
    return None


def _load_encoder(name: str, precision: str, backend: str, options: EncoderOptions) -> Encoder:
    from dpr.models.encoders import load_encoder

    return load_encoder(name, precision, backend, options)
