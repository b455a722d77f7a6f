"""Train, dev and test parts by article, so that no passage of one part is in another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dpr.errors import DataError
from dpr.types import Example, Passage


@dataclass(frozen=True, slots=True)
class Split:
    """The three parts of a data set, each in the data set's order."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]


def split_by_article(examples: Iterable[Example], train: int, dev: int, test: int) -> Split:
    """Give the first articles to train, the next ones to dev and the last ones to test.

    An article is the ``document_id`` of a question's first positive passage, and articles count in the order in which
    they first come. A passage that stands in articles of two parts stays with the later one: of train, dev and test,
    the questions that the test is made of are the last to lose.

    Args:
        examples: questions with a positive passage each.
        train: how many articles to train on.
        dev: how many of those that follow to choose by.
        test: how many, counted from the end, to test on.

    Raises:
        DataError: there are fewer articles than asked for, or a question has no passage.
    """
    by_article: dict[str, list[Example]] = {}
    for example in examples:
        by_article.setdefault(article_of_question(example), []).append(example)
    articles = list(by_article.values())
    if min(train, dev, test) < 0 or train + dev + test > len(articles):
        raise DataError(
            f"{train} + {dev} + {test} articles were asked for, of a data set that has {len(articles)}; ask for fewer"
        )
    taken: set[str] = set()
    test_part = _part(articles[len(articles) - test :], taken)
    dev_part = _part(articles[train : train + dev], taken)
    return Split(_part(articles[:train], taken), dev_part, test_part)


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


def _part(articles: Iterable[list[Example]], taken: set[str]) -> tuple[Example, ...]:
    """Return the questions whose passages no other part has taken, and take their passages."""
    part = tuple(
        example
        for article in articles
        for example in article
        if taken.isdisjoint(passage.id for passage in example.positives)
    )
    taken.update(passage.id for example in part for passage in example.positives)
    return part
