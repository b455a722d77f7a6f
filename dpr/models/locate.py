"""Find the directories of BERT_q and BERT_p, and the settings that they are used with.

On disk an encoder is one of:

* a Hugging Face or sentence-transformers checkpoint (or an adapter): one encoder for questions and passages. An
  original DPR checkpoint (`dpr.models.dpr_checkpoint`) is one too, though it was trained for one of the two roles.
* a directory with ``encoder.json`` and the encoders ``question/`` and ``passage/`` (or only ``question/``: shared).

A name may also be ``QUESTION,PASSAGE``: two directories or hub names.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path

from dpr.config import load_config
from dpr.errors import ModelError
from dpr.models.checkpoint import base_name, base_of, optional_json, read_json, resolve
from dpr.models.dpr_checkpoint import DPR_CONFIG, is_dpr_checkpoint, refuse_swapped
from dpr.models.pair import PAIR_CONFIG, split_name
from dpr.models.prompts import known_family
from dpr.models.sentence_transformers import is_sentence_transformers, pools_prompts, read_config, recorded_length
from dpr.models.text_encoder import EncoderConfig
from dpr.types import EncoderOptions

logger = logging.getLogger(__name__)


def locate_encoders(
    name: str,
    options: EncoderOptions = EncoderOptions(),  # noqa: B008 - frozen
) -> tuple[Path, Path, EncoderConfig]:
    """Return the directories of BERT_q and BERT_p, equal if they are shared, and their configuration.

    Raises:
        ModelError: the name is no encoder, or the configurations of the two do not fit.
        ConfigError: an option or a value of ``encoder.json`` is not valid.
    """
    question_name, *more_names = split_name(name)
    if more_names:
        [passage_name] = more_names
        question_dir, passage_dir = resolve(question_name), resolve(passage_name)
        refuse_swapped(question_dir, passage_dir)
        encoders = (question_dir, question_name), (passage_dir, passage_name)
        config = _paired(name, *(detect_config(*encoder, options) for encoder in encoders))
    else:
        directory = resolve(name)
        question_dir = passage_dir = directory
        if (directory / PAIR_CONFIG).is_file():
            config = load_config(EncoderConfig, overrides=read_json(directory / PAIR_CONFIG))
            question_dir = resolve(directory / "question")
            passage_dir = resolve(directory / "passage") if (directory / "passage").exists() else question_dir
        else:
            config = detect_config(directory, name, options)
    config = replace(config, **{key: value for key, value in asdict(options).items() if value is not None})
    for prompt, encoder_dir in ((config.question_prompt, question_dir), (config.passage_prompt, passage_dir)):
        if prompt and not pools_prompts(encoder_dir):
            raise ModelError(
                f"{encoder_dir} excludes the tokens of its prompt from the pooling (include_prompt: false), which is "
                "not supported; choose another encoder, or give empty prompts"
            )
    return question_dir, passage_dir, config


def detect_config(
    directory: Path,
    name: str = "",
    options: EncoderOptions = EncoderOptions(),  # noqa: B008 - frozen
) -> EncoderConfig:
    """Return the configuration of one encoder, from its sentence-transformers files or that package's defaults.

    An encoder of a well-known family without recorded prompts gets those of `dpr.models.prompts`, unless ``options``
    set them. ``name`` is the name that the caller used.

    Raises:
        ModelError: a file cannot be read, or needs an unsupported feature.
    """
    names = [name, directory.name, base_name(directory) or ""]
    names += [folder for folder in directory.parts if folder.startswith("models--")]  # a folder of the hub's cache
    if not is_sentence_transformers(directory):
        directory = base_of(directory)
    saved = optional_json(directory / "config.json")
    if is_dpr_checkpoint(directory):
        config = DPR_CONFIG
    else:
        length = recorded_length(directory)
        is_causal = next(iter(saved.get("architectures") or ()), "").endswith("ForCausalLM")
        pooling = "lasttoken" if is_causal and saved.get("is_causal", True) else "mean"
        config = EncoderConfig(pooling=pooling, question_tokens=length, passage_tokens=length)
    if is_sentence_transformers(directory):
        config = read_config(directory, config)
    if config.question_prompt or config.passage_prompt or None not in (options.question_prompt, options.passage_prompt):
        return config
    family = known_family([*names, str(saved.get("_name_or_path") or "")])
    if family is None:
        return config
    logger.warning(
        "%s records no prompts; using those of %s: %r for questions, %r for passages (--question-prompt and "
        "--passage-prompt set others)",
        name or directory,
        family.name,
        family.question_prompt,
        family.passage_prompt,
    )
    return replace(config, question_prompt=family.question_prompt, passage_prompt=family.passage_prompt)


def _paired(name: str, question: EncoderConfig, passage: EncoderConfig) -> EncoderConfig:
    """Return the configuration of a pair of encoders, each with its own prompt and length."""
    for key in ("pooling", "normalize", "dimension"):
        if getattr(question, key) != getattr(passage, key):
            raise ModelError(
                f"{name}: the question encoder has {key} {getattr(question, key)!r} and the passage encoder "
                f"{getattr(passage, key)!r}; give two encoders of one pair"
            )
    return replace(question, passage_prompt=passage.passage_prompt, passage_tokens=passage.passage_tokens)
