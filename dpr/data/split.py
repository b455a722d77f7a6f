"""Parts of a data set by article."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpr.errors import DataError
from dpr.types import Example, Passage


def select_articles(examples: Iterable[Example], first: int | None, last: int | None) -> Iterator[Example]:
    """Yield the questions of the articles ``first`` to ``last``, the latter excluded, as a slice of a list would.

    Articles count from 0 in the order in which they first come; negative numbers count from the end.

    Raises:
        DataError: there is no such article, or a question has no passage.
    """
    by_article: dict[str, list[Example]] = {}
    for example in examples:
        by_article.setdefault(article_of_question(example), []).append(example)
    chosen = list(by_article.values())[first:last]
    if not chosen:
        ends = ":".join("" if end is None else str(end) for end in (first, last))
        raise DataError(f"@{ends} names no article of a data set that has {len(by_article)}; choose others")
    for article in chosen:
        yield from article


def article_of_question(example: Example) -> str:
    """Return the article of a question's first gold passage; where the data set lacks all of them, the id of one.

    Raises:
        DataError: the question has no passage.
    """
    if not example.positives and example.absent_positives:
        return example.absent_positives[0][0]
    if not example.positives:
        raise DataError(f"question {example.question.id!r} has no passage, and articles are told by it; give it one")
    return article_of(example.positives[0])


def article_of(passage: Passage) -> str:
    """Return the article that a passage is of: its document, its title, or else itself."""
    return passage.document_id or passage.title or passage.id
