"""A retriever in one module: the passages whose titles begin like the question. Nothing else knows of it."""

from __future__ import annotations

from collections.abc import Sequence

from dpr.search.contract import Retriever
from dpr.search.registry import Opening, RetrieverEntry
from dpr.store.passages import PassageStore
from dpr.types import Hit, ListScore

NAME = "initials"


class InitialsRetriever(Retriever):
    """Scores a passage by how many letters its title and the question begin with alike."""

    name = NAME

    def __init__(self, passages: PassageStore) -> None:
        self._passages = passages

    def search(self, questions: Sequence[str], k: int) -> list[list[Hit]]:
        return [self._hits(question)[:k] for question in questions]

    def _hits(self, question: str) -> list[Hit]:
        scored = [(_shared(question, passage.title), passage.id, row) for row, passage in enumerate(self._passages)]
        ranked = sorted((-score, passage_id, row) for score, passage_id, row in scored if score)
        return [
            Hit(row, passage_id, rank, -float(score), {NAME: ListScore(rank, -float(score), -float(score))})
            for rank, (score, passage_id, row) in enumerate(ranked, start=1)
        ]


def _shared(question: str, title: str) -> int:
    count = 0
    for one_letter, other_letter in zip(question.casefold(), title.casefold(), strict=False):
        if one_letter != other_letter:
            break
        count += 1
    return count


def _open(opening: Opening) -> Retriever:
    return InitialsRetriever(opening.resources.passages)


ENTRY = RetrieverEntry(
    "titles that begin like the question",
    _open,
    lambda resources: "" if resources.manifest.passages > 1 else "one passage has no initials to tell; index more",
)
