"""Questions made from one's own passages, to compare retrievers where nobody has written questions.

Each question is marked as synthetic by its id. A cloze takes words of a sentence of the passage
(`dpr.data.cloze`), a title is taken as it is; what a chat model writes is in `dpr.reader.generative.questions`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from dpr.data.cloze import Cloze, cloze_examples
from dpr.durable import replacing
from dpr.errors import DataError
from dpr.types import Example, Passage, Question

SYNTHETIC = "synthetic-"
"""How the ids of synthetic questions begin: ``synthetic-cloze-17``."""

LEAST_CHARACTERS = 40
"""A shorter passage says too little to ask for."""

MOST_OF_A_TITLE = 20
"""A title of more passages than this tells them too little apart to be a question."""


def is_synthetic(question_id: str) -> bool:
    """Tell whether a question was made from a passage, by its id."""
    return question_id.startswith(SYNTHETIC)


def sampled(passages: Iterable[Passage], count: int, seed: int) -> list[Passage]:
    """Return a uniform sample of passages that are long enough, in their order, the same for the same seed."""
    choice = random.Random(seed)  # noqa: S311 - sampling, not secrets
    sample: list[tuple[int, Passage]] = []
    long_enough = (passage for passage in passages if len(passage.text) >= LEAST_CHARACTERS)
    for number, passage in enumerate(long_enough):
        if number < count:
            sample.append((number, passage))
        elif (slot := choice.randrange(number + 1)) < count:
            sample[slot] = number, passage
    return [passage for _, passage in sorted(sample, key=lambda item: item[0])]


def cloze_questions(sample: Iterable[Passage], seed: int) -> Iterator[Example]:
    """Yield a question of words of a sentence for each passage that has a sentence of three words."""
    return _marked("cloze", cloze_examples(sample, Cloze(window=0, questions=1, titled=0.0, seed=seed)))


def title_questions(passages: Iterable[Passage], count: int, seed: int) -> Iterator[Example]:
    """Yield a sample of the titles as questions, each with all passages of that title; titles of many are left out."""
    of_title: dict[str, list[Passage]] = {}
    for passage in passages:
        if passage.title.strip() and len(of_title.setdefault(passage.title, [])) <= MOST_OF_A_TITLE:
            of_title[passage.title].append(passage)
    titles = sorted(title for title, positives in of_title.items() if len(positives) <= MOST_OF_A_TITLE)
    chosen = random.Random(seed).sample(titles, min(count, len(titles)))  # noqa: S311 - sampling, not secrets
    return _marked("title", (Example(Question(title, title), tuple(of_title[title])) for title in sorted(chosen)))


def model_questions(
    sample: Iterable[Passage], ask: Callable[[Passage], str], seen: Callable[[int], None]
) -> Iterator[Example]:
    """Yield the question that a model writes for each passage; a passage without one is left out.

    ``seen`` is called with the number of passages after each of them.
    """

    def written() -> Iterator[Example]:
        for number, passage in enumerate(sample, start=1):
            if question := ask(passage):
                yield Example(Question("", question), (passage,))
            seen(number)

    return _marked("model", written())


def _marked(method: str, examples: Iterable[Example]) -> Iterator[Example]:
    for number, example in enumerate(examples, start=1):
        yield Example(Question(f"{SYNTHETIC}{method}-{number}", example.question.text), example.positives)


def write_questions(path: Path, examples: Iterable[Example], origin: Mapping[str, object]) -> int:
    """Write questions as pairs of `dpr.data.pairs`, one a line with how they were made; return their number.

    Raises:
        DataError: there is none.
    """
    count = 0
    with replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8") as file:
            for example in examples:
                count += 1
                for passage in example.positives:
                    row = {
                        "id": example.question.id,
                        "question": example.question.text,
                        "passage": passage.text,
                        "title": passage.title,
                        "passage_id": passage.id,
                        "synthetic": dict(origin),
                    }
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if not count:
            raise DataError("no question could be made of these passages; give running text, or passages with titles")
    return count
