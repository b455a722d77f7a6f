"""Select examples of a data set by article."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpr.errors import DataError
from dpr.types import Example, Passage


def select_articles(examples: Iterable[Example], first: int | None, last: int | None) -> Iterator[Example]:
    """Yield the questions of the articles ``first`` to ``last`` (exclusive), as a slice of a list would.

    Articles are numbered from 0 in the order of their first question; negative numbers count from the end.

    Raises:
        DataError: there is no such article, or a question has no passage.
    """
    by_article: dict[str, list[Example]] = {}
    for example in examples:
        by_article.setdefault(article_of_question(example), []).append(example)
    selected = list(by_article.values())[first:last]
    if not selected:
        ends = ":".join("" if end is None else str(end) for end in (first, last))
        raise DataError(f"@{ends} selects none of the {len(by_article)} articles of the data set; choose others")
    for article in selected:
        yield from article


def article_of_question(example: Example) -> str:
    """Return the article of a question's first gold passage; if all are absent, the id of one.

    Raises:
        DataError: the question has no passage.
    """
    if not example.positives and example.absent_positives:
        return example.absent_positives[0][0]
    if not example.positives:
        raise DataError(f"question {example.question.id!r} has no passage that shows its article; give it one")
    return article_of(example.positives[0])


def article_of(passage: Passage) -> str:
    """Return the article of a passage: its document, its title, or its own id."""
    return passage.document_id or passage.title or passage.id
