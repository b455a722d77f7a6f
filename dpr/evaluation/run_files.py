"""Runs in the forms of the field: TREC's lines, and the JSON of BEIR, pytrec_eval and ranx.

The JSON is one object: for each question id, an object of passage ids with their scores. ranx also writes it packed
(``.json.gz``), and in a table of ``q_id``, ``doc_id`` and ``score`` (``.parquet``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dpr.data.files import read_text
from dpr.data.intake import UTF8_RULES, ReadRules
from dpr.data.qrels import MAX_GRADE, is_grade
from dpr.errors import DataError
from dpr.evaluation.trec import SCORE, is_score, read_qrels, read_run, trec_order
from dpr.unicode_form import as_on_disk, composed

PARQUET_COLUMNS = ("q_id", "doc_id", "score")
JSON_ENDINGS = (".json", ".json.gz")

Value = TypeVar("Value")


def read_any_run(path: Path, rules: ReadRules = UTF8_RULES) -> dict[str, list[tuple[str, float]]]:
    """Read a run by the ending of its name; each question's passages come in the order of `trec_order`.

    A question without passages is left out: it counts like one that the run lacks.

    Raises:
        DataError: the file cannot be read, is empty, lists a passage twice, or has a score that is no finite number.
    """
    name = path.name.lower()
    if name.endswith(JSON_ENDINGS):
        run = _ordered(_from_json(path, _score))
    elif name.endswith(".parquet"):
        run = _ordered(_from_parquet(path))
    else:
        run = read_run(path, rules)
    answered = {question: hits for question, hits in run.items() if hits}
    if not answered:
        raise DataError.at(path, None, "the run is empty; give one with at least one question")
    return answered


def read_any_qrels(path: Path, rules: ReadRules = UTF8_RULES) -> dict[str, dict[str, int]]:
    """Read judgements by the ending of the file's name: JSON, or a form of `dpr.data.qrels`.

    Raises:
        DataError: the file cannot be read or is empty, a passage is judged twice, or a grade is no whole number.
    """
    is_json = path.name.lower().endswith(JSON_ENDINGS)
    judged = _from_json(path, _grade) if is_json else read_qrels(path, rules)
    if not judged:
        raise DataError.at(path, None, "there is no judgement in it; give qrels with at least one")
    return judged


def _ordered(scores: Mapping[str, Mapping[str, float]]) -> dict[str, list[tuple[str, float]]]:
    return {question: trec_order(of_question) for question, of_question in scores.items()}


def _from_json(path: Path, value_of: Callable[[Path, str, object], Value]) -> dict[str, dict[str, Value]]:
    try:
        document = json.loads(read_text(path), object_pairs_hook=_without_repeats)
    except _RepeatedError as error:
        raise DataError.at(path, None, f"{error} comes twice in one object; keep one of them") from None
    except (ValueError, RecursionError) as error:
        raise DataError.at(path, None, f"is no JSON ({error}); give a run of BEIR, pytrec_eval or ranx") from None
    if not isinstance(document, dict) or not all(isinstance(hits, dict) for hits in document.values()):
        raise DataError.at(
            path, None, "is not an object of questions, each with an object of passages and scores; give such a run"
        )
    return {
        composed(question): {composed(passage): value_of(path, question, value) for passage, value in hits.items()}
        for question, hits in document.items()
    }


def _from_parquet(path: Path) -> dict[str, dict[str, float]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = pq.read_table(as_on_disk(path), columns=list(PARQUET_COLUMNS)).to_pydict()
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError.at(
            path, None, f"is no run of ranx with the columns {', '.join(PARQUET_COLUMNS)} ({cause})"
        ) from None
    scores: dict[str, dict[str, float]] = {}
    for question, passage, score in zip(*(columns[name] for name in PARQUET_COLUMNS), strict=True):
        of_question = scores.setdefault(composed(str(question)), {})
        if composed(str(passage)) in of_question:
            raise DataError.at(path, None, f"passage {passage!r} is listed twice for question {question!r}")
        of_question[composed(str(passage))] = _score(path, str(question), score)
    return scores


class _RepeatedError(ValueError):
    """A name comes twice in an object; the message is the name."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _RepeatedError(repr(name))
        values[name] = value
    return values


def _grade(path: Path, question: str, grade: object) -> int:
    if isinstance(grade, bool) or not isinstance(grade, int | float) or grade % 1 or not is_grade(int(grade)):
        raise DataError.at(
            path,
            None,
            f"question {question!r} has the grade {grade!r}, which is not a whole number of at most {MAX_GRADE:,}",
        )
    return int(grade)


def _score(path: Path, question: str, score: object) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float) or not is_score(score):
        raise DataError.at(path, None, f"question {question!r} has the score {score!r}, which is not {SCORE}")
    return float(score)
