from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpr.models.text_encoder import EncoderConfig
from dpr.models.tokens import tokenize_and_measure
from dpr.train.batches import Batching, Source, epoch_batches
from dpr.train.long_passages import Windowed, with_answer_windows
from dpr.types import Example, Passage, Question

CONFIG = EncoderConfig(passage_tokens=24)
SENTENCES = [f"A b c d number {place} e f." for place in range(12)]
LONG = Passage("long", " ".join(SENTENCES), "title", "article", 100)
SHORT = Passage("short", "a b number 3 c.", "title")


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint: Path) -> Any:
    from dpr.models.checkpoint import load_tokenizer

    return load_tokenizer(tiny_checkpoint)


def example(number: int, passage: Passage = LONG, *, is_located: bool = True) -> Example:
    """Ask for the sentence of a number in a passage."""
    answer = f"number {number}"
    starts = (passage.text.index(answer),) if is_located else ()
    return Example(Question(f"q{number}", f"where is {number}?", (answer,)), (passage,), answer_starts=starts)


def windowed(tokenizer: Any, *examples: Example) -> Windowed:
    return with_answer_windows([Source("s", list(examples))], tokenizer, CONFIG)


def test_each_question_learns_from_a_window_that_holds_its_answer_and_is_not_cut(tokenizer: Any) -> None:
    [source] = windowed(tokenizer, *map(example, range(12))).sources
    windows = [one.positives[0] for one in source.examples]
    for number, window in enumerate(windows):
        assert f"number {number} " in window.text
        assert LONG.text[window.start - 100 : window.start - 100 + len(window.text)] == window.text
        assert (window.title, window.document_id) == ("title", "article")
    assert not any(is_cut for _, is_cut in tokenize_and_measure(tokenizer, windows, CONFIG.passage_tokens))
    assert len({window.id for window in windows}) > 4


def test_of_two_windows_the_one_with_more_text_around_the_answer_is_taken(tokenizer: Any) -> None:
    text = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2
    start = text.index("q r")
    asked = Example(Question("q", "?", ("q r",)), (Passage("p", text),), answer_starts=(start,))
    [source] = windowed(tokenizer, asked).sources
    window = source.examples[0].positives[0]
    margins = start - window.start, window.start + len(window.text) - start - 3
    assert min(margins) >= 4


def test_a_window_has_no_negatives_of_its_own_passage(tokenizer: Any) -> None:
    made = windowed(tokenizer, *map(example, range(12)))
    batching = Batching(
        batch_size=12, questions_per_passage=2, document_passages=12, hard_negatives=0, separate_sources=True, seed=1
    )
    [batch] = epoch_batches(made.sources, batching, 0)
    assert len(batch.passages) == made.windows > 4
    assert all(set(batch.passage_ids) <= set(exempt) for exempt in batch.exempt_ids)


def test_the_windows_of_an_excluded_passage_are_excluded(tokenizer: Any) -> None:
    asked = replace(example(3, SHORT), excluded_ids=("long",))
    [source] = windowed(tokenizer, example(1), example(11), asked).sources
    *others, same = source.examples
    assert same.excluded_ids == ("long", *(other.positives[0].id for other in others))
    assert all(not other.excluded_ids for other in others)


def test_short_passages_and_those_whose_answer_has_no_place_stay(tokenizer: Any) -> None:
    examples = [
        example(3, SHORT),
        example(3, is_located=False),
        Example(Question("n", "?"), (LONG,), is_impossible=True),
    ]
    made = windowed(tokenizer, *examples)
    assert (list(made.sources[0].examples), made.windows) == (examples, 0)


def test_it_is_a_function_of_its_input(tokenizer: Any) -> None:
    examples = [example(number) for number in (7, 2, 7, 11)]
    assert windowed(tokenizer, *examples) == windowed(tokenizer, *examples)
