"""The questions of a data set, without those that have no text.

Some data sets judge passages that are missing or empty in their corpus (BEIR's ArguAna and FiQA), or questions without
a text (NFCorpus). Formats are read as they are; this module decides about such rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from dpr.data.identity import with_composed_names
from dpr.data.intake import BadRows
from dpr.data.split import select_articles
from dpr.errors import DataError
from dpr.types import Example, Question
from dpr.unicode_form import composed

logger = logging.getLogger(__name__)

Articles = tuple[int | None, int | None]
"""The first article and the last one, exclusive; None for the beginning and the end."""


class Examples(Iterator[Example]):
    """Questions with their labelled passages, each id once; ``without_text`` counts the skipped questions so far.

    Ids are in NFC. A positive passage without text becomes one of ``absent_positives``; a negative one is dropped.
    """

    def __init__(
        self,
        examples: Iterable[Example],
        path: Path,
        articles: Articles | None = None,
        bad_rows: BadRows | None = None,
    ) -> None:
        """Wrap the examples of ``path``, or select those of some of its articles.

        The ``bad_rows`` are refused together at the end, or skipped with a warning.

        Raises:
            DataError: during the iteration, there is no question, or two different questions share an id.
        """
        self.without_text = 0
        self._bad_rows = bad_rows or BadRows()
        distinct = self._distinct(examples, path)
        self._examples = distinct if articles is None else _selected(distinct, path, articles)

    def __next__(self) -> Example:
        return next(self._examples)

    def _distinct(self, examples: Iterable[Example], path: Path) -> Iterator[Example]:
        content_of: dict[str, int] = {}
        for read_example in examples:
            if not read_example.question.text.strip():
                self.without_text += 1
                continue
            example = without_empty_passages(read_example)
            identity, content = example.question.id, hash((example.question, example.positives))
            if identity not in content_of:
                content_of[identity] = content
                yield example
            elif content_of[identity] != content:
                cause = f"question id {identity!r} occurs again with another question or passage"
                self._bad_rows.add(DataError.at(path, None, cause))
        self._bad_rows.refuse()
        if not content_of:
            cause = "has no question"
            if self.without_text:
                cause += f" for the {self.without_text} judged ids; fetch the files of one data set"
            raise DataError.at(path, None, f"{cause}{self._bad_rows.listing()}")
        self._bad_rows.log(logger)


def _selected(examples: Iterator[Example], path: Path, articles: Articles) -> Iterator[Example]:
    """Yield the questions of some articles; the error without any names the file."""
    all_examples = list(examples)
    try:
        selected = list(select_articles(all_examples, *articles))
    except DataError as error:
        raise DataError.at(path, None, str(error)) from None
    yield from selected


def without_empty_passages(example: Example) -> Example:
    """Return an example with composed ids and without empty passages; see `Examples`."""
    question = example.question
    grades = example.grades or (1,) * len(example.positives)
    graded = list(zip(map(with_composed_names, example.positives), grades, strict=True))
    with_text = [(passage, grade) for passage, grade in graded if passage.text.strip()]
    absent = tuple((passage.id, grade) for passage, grade in graded if not passage.text.strip())
    is_first_absent = bool(graded) and not graded[0][0].text.strip()
    return replace(
        example,
        question=Question(composed(question.id), question.text, question.answers),
        positives=tuple(passage for passage, _ in with_text),
        negatives=tuple(with_composed_names(passage) for passage in example.negatives if passage.text.strip()),
        answer_starts=() if is_first_absent else example.answer_starts,
        grades=tuple(grade for _, grade in with_text) if example.grades else (),
        absent_positives=(*example.absent_positives, *absent),
        excluded_ids=tuple(map(composed, example.excluded_ids)),
    )
