from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpr.models.checkpoint import load_tokenizer
from dpr.reader.extractive.model import ReaderConfig
from dpr.reader.extractive.reader import load_windows_reader
from dpr.reader.extractive.windows import pad_windows
from dpr.train.distributed import Processes
from dpr.train.reader.features import Feature, make_features
from dpr.train.reader.step import targets
from dpr.train.reader.teacher import (
    Opinion,
    ask_teachers,
    forget_opinions,
    kept_opinions,
    key_of,
    read_opinions,
    save_opinions,
)
from dpr.types import Example, Passage, Question, no_progress
from tests.tiny_models import make_reader

CONFIG = ReaderConfig(max_tokens=32, stride=8, question_tokens=8, max_answer_tokens=8)


def example(text: str, answer: str) -> Example:
    question = Question(answer, "who ?", (answer,))
    return Example(question, (Passage(text, text),), answer_starts=(text.index(answer),))


EXAMPLES = [example("it was kim", "kim"), example("lee was here " * 4, "lee"), example("it was kim", "kim")]


@pytest.fixture(scope="module")
def features(tiny_checkpoint: Path) -> list[Feature]:
    return list(make_features(load_tokenizer(tiny_checkpoint), EXAMPLES, CONFIG))


def test_an_opinion_is_the_mean_of_the_teachers_shares(
    features: list[Feature], tiny_checkpoint: Path, tiny_reader: Path, tmp_path: Path
) -> None:
    teachers = [str(tiny_reader), str(make_reader(tiny_checkpoint, tmp_path / "other", relevance_head=True))]
    opinions = ask_teachers(teachers, features, EXAMPLES, CONFIG, no_progress)
    assert opinions.keys() == {key_of(feature.window) for feature in features}
    for feature in features:
        window = feature.window
        expected = np.zeros((2, len(window)))
        for name in teachers:
            compute = load_windows_reader(name).compute
            said = compute.logits(pad_windows([window], 0, compute.input_names))
            inside = window.spans[:, 0] >= 0
            inside[0] = True
            for side, logits in enumerate((said.starts[0], said.ends[0])):
                shares = np.where(inside, np.exp(logits), 0)
                expected[side] += shares / shares.sum() / len(teachers)
        np.testing.assert_allclose(np.stack(opinions[key_of(window)]), expected, atol=2e-2)  # the teachers run in bf16
        assert np.stack(opinions[key_of(window)]).sum(1) == pytest.approx([1, 1], abs=1e-5)


def test_a_teacher_is_silent_where_it_cuts_other_tokens(features: list[Feature], tiny_reader: Path) -> None:
    unread = [Feature(feature.window, feature.start, feature.end, "q") for feature in features[:1]]
    unread[0].window.ids[-2] += 1
    try:
        opinions = ask_teachers([str(tiny_reader)], [*unread, *features[1:]], EXAMPLES, CONFIG, no_progress)
        assert key_of(unread[0].window) not in opinions
        assert opinions
    finally:
        unread[0].window.ids[-2] -= 1


def test_opinions_are_kept_for_their_run(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    opinions = {
        np.arange(width, dtype=np.int64).tobytes(): Opinion(
            *random.random((2, width)).astype(np.float16).astype(np.float32)
        )
        for width in (3, 7, 5)
    }
    save_opinions(tmp_path / "opinions", opinions, "run")
    read = read_opinions(tmp_path / "opinions", "run")
    assert read is not None
    assert read.keys() == opinions.keys()
    for key, opinion in opinions.items():
        np.testing.assert_array_equal(np.stack(read[key]), np.stack(opinion))
    assert read_opinions(tmp_path / "opinions", "another run") is None
    assert read_opinions(tmp_path / "nowhere", "run") is None
    save_opinions(tmp_path / "none", {}, "run")
    assert read_opinions(tmp_path / "none", "run") == {}


def ask_nobody(part: int, parts: int) -> dict[bytes, Opinion]:
    raise AssertionError(f"part {part} of {parts} is there already")


def test_the_parts_of_several_processes_are_the_whole(
    features: list[Feature], tiny_reader: Path, tmp_path: Path
) -> None:
    def ask(part: int, parts: int) -> dict[bytes, Opinion]:
        return ask_teachers([str(tiny_reader)], features, EXAMPLES, CONFIG, no_progress, part, parts)

    whole = kept_opinions(tmp_path, "run", Processes(), ask)
    first, second = ask(0, 2), ask(1, 2)
    assert not first.keys() & second.keys()
    assert first.keys() | second.keys() == whole.keys()
    assert kept_opinions(tmp_path, "run", Processes(), ask_nobody).keys() == whole.keys()
    forget_opinions(tmp_path)
    assert not list(tmp_path.iterdir())


def test_targets_are_the_label_and_the_share_of_the_opinion(features: list[Feature]) -> None:
    first = features[0]
    width = len(first.window) + 2
    shares = np.full(len(first.window), 1 / len(first.window), dtype=np.float32)
    starts, ends = targets([first], {key_of(first.window): Opinion(shares, shares)}, 0.25, width)
    expected = np.zeros(width)
    expected[: len(shares)] = 0.25 * shares
    for side, place in ((starts, first.start), (ends, first.end)):
        whole = expected.copy()
        whole[place] += 0.75
        np.testing.assert_allclose(side[0], whole, atol=1e-7)
    alone, _ = targets([first], {}, 0.25, width)
    assert alone[0, first.start] == 1.0 == alone.sum()
