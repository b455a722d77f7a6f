"""Gold passages in an index: labelled passages are matched by id, else by text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dpr.benchmark.setup import QuestionSet
from dpr.data.synthetic import is_synthetic
from dpr.errors import DataError
from dpr.types import Example, Passage, PassagePool, Question
from dpr.unicode_form import composed


@dataclass(frozen=True, slots=True)
class JudgedQuestions:
    """Questions in their order, and the grades of their gold passages by question id and passage id.

    ``examples`` are the same questions with what the data set says of them.

    All gold passages of ``gold_missing`` questions are absent from the pool; ``absent_passages`` counts the judgements
    of absent passages; ``left_out`` further questions have no gold passage. ``excluded`` holds the ids to leave out of
    a question's hits, for questions that are passages of the pool themselves: see ``excluded_ids`` of `Example`.
    """

    questions: tuple[Question, ...]
    qrels: dict[str, dict[str, int]]
    gold_missing: int
    left_out: int
    absent_passages: int = 0
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    @property
    def most_excluded(self) -> int:
        """The most ids that a question excludes: the number of extra hits to retrieve."""
        return max(map(len, self.excluded.values()), default=0)

    def without_excluded(self, question: str, names: Iterable[str]) -> list[str]:
        """Return the ids of a question's hits without those that it excludes."""
        excluded = self.excluded.get(question, frozenset())
        return [name for name in names if name not in excluded]

    def question_set(self, source: str, without_text: int = 0) -> QuestionSet:
        """Return the counts for a report; ``without_text`` further questions have no text."""
        return QuestionSet(
            source,
            len(self.questions),
            self.gold_missing,
            self.left_out,
            self.absent_passages,
            without_text,
            len(self.excluded),
            sum(is_synthetic(question.id) for question in self.questions),
        )


def judge_questions(pool: PassagePool, examples: Iterable[Example]) -> JudgedQuestions:
    """Find each question's gold passages in a pool: by id, else every passage of the same text (compared in NFC).

    A gold passage that is not in the pool stays in the qrels under its own id, so that its question counts as a miss.
    Unanswerable questions and questions without a gold passage are left out.

    Raises:
        DataError: two questions share an id, there is no question to judge, or no gold passage at all is found.
    """
    all_examples = list(examples)
    judged = [
        example
        for example in all_examples
        if (example.positives or example.absent_positives) and not example.is_impossible
    ]
    if not judged:
        raise DataError(
            f"none of the {len(all_examples)} questions is answerable and has a gold passage; "
            "give questions that have both"
        )
    _refuse_repeated(example.question for example in judged)
    ids_of = _find_ids({positive for example in judged for positive in example.positives}, pool)
    qrels = {example.question.id: _grades(example, ids_of) for example in judged}
    absent = {question: sum(pool.row_of(name) is None for name in grades) for question, grades in qrels.items()}
    gold_missing = sum(absent[question] == len(grades) for question, grades in qrels.items())
    if gold_missing == len(judged):
        raise DataError(
            f"none of the gold passages of {len(judged)} questions is among the {len(pool)} passages of the index: "
            "build the index over the corpus that the questions were written for; a passage is found by its id, or by "
            "exactly its text"
        )
    return JudgedQuestions(
        questions=tuple(example.question for example in judged),
        qrels=qrels,
        gold_missing=gold_missing,
        left_out=len(all_examples) - len(judged),
        absent_passages=sum(absent.values()),
        excluded={
            example.question.id: ids
            for example in judged
            if (ids := frozenset(name for name in example.excluded_ids if pool.row_of(name) is not None))
        },
        examples=tuple(judged),
    )


def _refuse_repeated(questions: Iterable[Question]) -> None:
    ids: set[str] = set()
    for question in questions:
        if question.id in ids:
            raise DataError(f"question id {question.id!r} occurs twice: give every question an id of its own")
        ids.add(question.id)


def _find_ids(golds: set[Passage], pool: PassagePool) -> dict[Passage, Sequence[str]]:
    """Return the ids in the pool of each gold passage that the pool contains."""
    by_id: dict[Passage, Sequence[str]] = {gold: (gold.id,) for gold in golds if pool.row_of(gold.id) is not None}
    by_text: dict[str, list[str]] = {_text(gold): [] for gold in golds if gold not in by_id}
    if by_text:
        for passage in pool:
            if (ids := by_text.get(_text(passage))) is not None:
                ids.append(passage.id)
    return by_id | {gold: ids for gold in golds if (ids := by_text.get(_text(gold))) and gold not in by_id}


def _text(passage: Passage) -> str:
    return composed(passage.text)


def _grades(example: Example, ids_of: dict[Passage, Sequence[str]]) -> dict[str, int]:
    grades: dict[str, int] = {}
    labels = example.grades or (1,) * len(example.positives)
    for positive, grade in zip(example.positives, labels, strict=True):
        for passage_id in ids_of.get(positive, (positive.id,)):
            grades[passage_id] = max(grade, grades.get(passage_id, grade))
    for passage_id, grade in example.absent_positives:
        grades.setdefault(passage_id, grade)
    return grades
