"""Data sets of the package ``ir_datasets``, by their names there: ``ir_datasets:beir/scifact/test``.

The package is optional, and downloads what it does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dpr.data.files import Location
from dpr.data.intake import STRICT, Intake
from dpr.errors import DataError, MissingDependencyError
from dpr.types import Example, Passage, Question
from dpr.unicode_form import composed


def read_ir_dataset(path: Path, intake: Intake = STRICT) -> Iterator[Example]:  # noqa: ARG001 - the package reads it
    """Yield the judged questions of a data set; their passages are found by id in the index.

    Raises:
        MissingDependencyError: the package is not installed.
        DataError: it has no such data set, or one without questions or judgements.
    """
    dataset = _load(path, "queries", "qrels")
    judgements: dict[str, dict[str, int]] = {}
    for judgement in dataset.qrels_iter():
        judgements.setdefault(composed(judgement.query_id), {})[composed(judgement.doc_id)] = int(judgement.relevance)
    for query in dataset.queries_iter():
        question = composed(query.query_id)
        if question in judgements:
            grades = {passage: grade for passage, grade in judgements[question].items() if grade > 0}
            text = str(getattr(query, "text", "") or getattr(query, "title", "") or query.default_text())
            yield Example(Question(question, composed(text)), (), absent_positives=tuple(grades.items()))


def read_ir_dataset_passages(path: Path, intake: Intake = STRICT) -> Iterator[tuple[Location, Passage]]:  # noqa: ARG001
    """Yield the documents of a data set as passages.

    Raises:
        MissingDependencyError: the package is not installed.
        DataError: it has no such data set, or one without documents.
    """
    for document in _load(path, "docs").docs_iter():
        title = str(getattr(document, "title", "") or "")
        text = str(getattr(document, "text", "") or getattr(document, "body", "") or document.default_text())
        yield Location(path), Passage(str(document.doc_id), text, title)


def _load(path: Path, *parts: str) -> Any:
    try:
        import ir_datasets
    except ImportError:
        raise MissingDependencyError(
            "the package ir_datasets is not installed, which sources of ir_datasets: need; run pip install ir_datasets"
        ) from None
    try:
        dataset = ir_datasets.load(path.as_posix())
    except KeyError:
        raise DataError(f"ir_datasets has no data set {path.as_posix()!r}; see ir-datasets.com for the names") from None
    for part in parts:
        if not getattr(dataset, f"has_{part}")():
            raise DataError(
                f"the data set {path.as_posix()!r} of ir_datasets has no {part}; name a part of it that has"
            )
    return dataset
