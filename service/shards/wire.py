"""What a router and its nodes say to each other: each message is written and read here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import orjson

from dpr.errors import DPRError, RequestError
from dpr.results import Passage
from dpr.store.facets import facets_of_json
from dpr.store.filtering import Facet
from dpr.store.manifest import Manifest, Provenance, ShardRecord
from dpr.store.records import RecordError, decode
from dpr.types import FloatArray, ListExplanation, TopK

SHARD_PATH = "/v1/shard"
LISTS_PATH = "/v1/shard/lists"
PASSAGES_PATH = "/v1/shard/passages"
EXPLANATION_PATH = "/v1/shard/explanation"
FACETS_PATH = "/v1/shard/facets"

NO_PROVENANCE = Provenance("", "", {}, (), {})


class NodeAnswerError(DPRError):
    """A node's answer is not what a node answers."""


@dataclass(frozen=True, slots=True)
class ShardState:
    """A generation of a shard that a node serves: its manifest, without files, and the lists that it searches."""

    manifest: Manifest
    lists: tuple[str, ...]

    @property
    def shard(self) -> ShardRecord:
        """What the shard is.

        Raises:
            NodeAnswerError: the index is no shard.
        """
        if self.manifest.shard is None:
            raise NodeAnswerError("the node serves an index that is no shard")
        return self.manifest.shard

    @property
    def rows(self) -> range:
        """The shard's rows of the collection."""
        return range(self.shard.first_row, self.shard.first_row + self.manifest.passages)

    def agrees_with(self, peer: ShardState) -> bool:
        """Tell whether two shards can be of one collection: models, weights and their counts are the same."""

        def facts(state: ShardState) -> tuple[object, ...]:
            manifest, shard = state.manifest, state.shard
            models = manifest.encoder, manifest.analyzer, manifest.weights, manifest.learned, manifest.fusion
            return (*models, shard.collection, shard.shards, shard.passages, set(state.lists))

        return facts(self) == facts(peer)


@dataclass(frozen=True, slots=True)
class ListOfShard:
    """One list's hits of Q questions in one shard: rows of the collection, scores, ids, windows and coverage.

    ``windows`` has the start and end of each hit's window, -1 without one; ``coverage`` is None where the list does not
    measure it.
    """

    rows: list[list[int]]
    scores: list[list[float]]
    ids: list[list[str]]
    windows: list[list[tuple[int, int]]] | None
    coverage: list[float] | None


@dataclass(frozen=True, slots=True)
class ShardExplanation:
    """What lists of a shard say of one passage of it, without ranks.

    Attributes:
        row: the row of the collection; None where the shard does not have the passage.
        id: the passage's id.
        lists: what each list that was asked for says.
    """

    row: int | None
    id: str
    lists: Mapping[str, ListExplanation]


def write_states(states: Sequence[ShardState]) -> bytes:
    """Return the answer about what a node serves, the newest generation first; paths of its disk are left out."""
    return orjson.dumps(
        {
            "generations": [
                {
                    "manifest": asdict(replace(state.manifest, files={}, provenance=NO_PROVENANCE)),
                    "lists": state.lists,
                }
                for state in states
            ]
        }
    )


def read_states(body: bytes) -> list[ShardState]:
    """Read what `write_states` wrote.

    Raises:
        NodeAnswerError: it is something else, or no shard.
    """
    try:
        states = [
            ShardState(decode(Manifest, generation["manifest"]), tuple(map(str, generation["lists"])))
            for generation in orjson.loads(body)["generations"]
        ]
    except (ValueError, TypeError, KeyError, RecordError) as error:
        raise NodeAnswerError(f"the node does not tell what it serves ({type(error).__name__}: {error})") from error
    for state in states:
        shard = state.shard
        is_sound = 1 <= shard.number <= shard.shards and shard.first_row >= 0
        if not is_sound or state.rows.stop > shard.passages:
            raise NodeAnswerError(f"the node serves a shard that cannot be ({shard})")
    return states


def vectors_to_text(vectors: FloatArray) -> str:
    """Return vectors, (Q, D), as text: little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(vectors, dtype="<f4").tobytes()).decode()


def vectors_of_text(text: str, questions: int, dimension: int) -> FloatArray:
    """Read what `vectors_to_text` wrote, (Q, D).

    Raises:
        RequestError: it is not as many finite numbers.
    """
    try:
        numbers = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
    except ValueError as error:
        raise RequestError(f"the vectors are no float32 numbers in base64 ({error})", "vectors") from None
    if numbers.size != questions * dimension or not np.isfinite(numbers).all():
        raise RequestError(
            f"the vectors are {numbers.size} numbers, but {questions} questions have {dimension} finite ones each; "
            "use the encoder of the index",
            "vectors",
        )
    return numbers.reshape(questions, dimension).astype(np.float32)


def write_lists(lists: Mapping[str, TopK], ids: Mapping[int, str], first_row: int) -> bytes:
    """Return the answer with some lists' hits; ``ids`` has the id of each row of the shard."""
    return orjson.dumps({"lists": {name: _columns_of(top, ids, first_row) for name, top in lists.items()}})


def _columns_of(top: TopK, ids: Mapping[int, str], first_row: int) -> dict[str, object]:
    is_hit = top.rows >= 0
    rows = [row[mask].tolist() for row, mask in zip(top.rows, is_hit, strict=True)]
    windows = top.windows
    return {
        "rows": [[row + first_row for row in of_question] for of_question in rows],
        "scores": [scores[mask].astype(np.float64).tolist() for scores, mask in zip(top.scores, is_hit, strict=True)],
        "ids": [[ids[row] for row in of_question] for of_question in rows],
        "windows": None
        if windows is None
        else [spans[mask].tolist() for spans, mask in zip(windows, is_hit, strict=True)],
        "coverage": None if top.coverage is None else top.coverage.tolist(),
    }


def read_lists(body: bytes, rows: range, names: Sequence[str], questions: int, k: int) -> dict[str, ListOfShard]:
    """Read what `write_lists` wrote about the hits of some questions among the shard's ``rows``.

    Raises:
        NodeAnswerError: it is something else.
    """
    try:
        lists = orjson.loads(body)["lists"]
        return {name: _checked(lists[name], questions, k, rows) for name in names}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NodeAnswerError(f"the node answered with something else than hits ({error})") from error


def _checked(content: Any, questions: int, k: int, rows: range) -> ListOfShard:
    entry = ListOfShard(**content)
    columns: list[list[list[Any]]] = [
        entry.rows,
        entry.scores,
        entry.ids,
        *([] if entry.windows is None else [entry.windows]),
    ]
    for column in columns:
        if list(map(len, column)) != list(map(len, entry.rows)) or len(column) != questions:
            raise ValueError("the questions, or the columns of one, have different lengths")
    if entry.coverage is not None and len(entry.coverage) != questions:
        raise ValueError("the coverage is of other questions")
    for of_question in entry.rows:
        if len(of_question) > k or len(set(of_question)) < len(of_question):
            raise ValueError("more hits than asked for, or one twice")
        if any(type(row) is not int or row not in rows for row in of_question):
            raise ValueError("a row of another shard")
    numbers = [number for scores in entry.scores for number in scores] + list(entry.coverage or ())
    if not set(map(type, numbers)) <= {int, float} or not np.isfinite(np.array(numbers, dtype=np.float64)).all():
        raise ValueError("a score is no finite number")
    if not all(type(name) is str for names in entry.ids for name in names):
        raise ValueError("an id is no text")
    if any(len(window) != 2 or set(map(type, window)) != {int} for spans in entry.windows or () for window in spans):
        raise ValueError("a window is no start and end")
    return entry


def write_passages(passages: Sequence[Passage]) -> bytes:
    """Return the answer with some passages."""
    return orjson.dumps({"passages": [passage.to_dict() for passage in passages]})


def read_passages(body: bytes, _rows: range, ids: Sequence[str]) -> list[Passage]:
    """Read what `write_passages` wrote of the passages of these ids; dates and times in their metadata stay texts.

    Raises:
        NodeAnswerError: it is something else.
    """
    names = ("id", "text", "title", "document_id", "start", "metadata")
    try:
        passages = [Passage(*(entry[name] for name in names)) for entry in orjson.loads(body)["passages"]]
    except (ValueError, TypeError, KeyError) as error:
        raise NodeAnswerError(f"the node answered with something else than passages ({error})") from error
    are_texts = all(type(text) is str for item in passages for text in (item.text, item.title, item.document_id))
    are_sound = are_texts and all(type(item.start) is int and type(item.metadata) is dict for item in passages)
    if not are_sound or [passage.id for passage in passages] != list(ids):
        raise NodeAnswerError("the node answered with other passages than those asked for")
    return passages


def write_explanation(explanation: ShardExplanation) -> bytes:
    """Return the answer with what lists say of a passage."""
    return orjson.dumps(explanation)


def read_explanation(body: bytes, rows: range, names: Sequence[str]) -> ShardExplanation:
    """Read what `write_explanation` wrote of some lists of a shard with ``rows``.

    Raises:
        NodeAnswerError: it is something else.
    """
    try:
        content = orjson.loads(body)
        row, name = content["row"], content["id"]
        if row is None:
            return ShardExplanation(None, "", {})
        lists = {name: _entry_of(content["lists"][name]) for name in names}
    except (ValueError, TypeError, KeyError) as error:
        raise NodeAnswerError(f"the node answered with something else than an explanation ({error})") from error
    if type(row) is not int or row not in rows or type(name) is not str:
        raise NodeAnswerError("the node explained a passage of another shard")
    return ShardExplanation(row, name, lists)


def read_facets(body: bytes, _rows: range) -> dict[str, Facet]:
    """Read the counts of the collection's fields.

    Raises:
        NodeAnswerError: it is something else.
    """
    try:
        return facets_of_json(body)
    except ValueError as error:
        raise NodeAnswerError(f"the node answered with something else than counts of fields ({error})") from error


def _entry_of(content: Mapping[str, Any]) -> ListExplanation:
    entry: ListExplanation = decode(ListExplanation, {**content, "rank": None, "fused": None})
    numbers = [term.share for term in entry.terms or ()] + ([] if entry.score is None else [entry.score])
    if not np.isfinite(np.array(numbers, dtype=np.float64)).all():
        raise ValueError("a number is not finite")
    return entry
