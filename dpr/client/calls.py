"""What is asked of the service: paths and bodies, the same for threads and for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from dpr.errors import ConfigError
from dpr.filters import FilterForm, parse

Questions = list[str] | tuple[str, ...]


class SearchOptions(TypedDict, total=False):
    """How passages are found, where the server's defaults are not meant.

    ``retriever``, ``fusion`` (a method's name), ``weights`` (of each list), ``rerank``, ``index``, the name of one of
    the server's indexes, and ``filter``: a `dpr.filters.Filter`, its JSON form or its text form.
    """

    retriever: str
    fusion: str
    weights: Mapping[str, float]
    rerank: bool
    index: str
    filter: FilterForm


@dataclass(frozen=True, slots=True)
class Call:
    """A request: its path, and its body; None: a GET."""

    path: str
    body: Mapping[str, object] | None = None


def retrieve_call(questions: str | Questions, k: int, options: SearchOptions) -> Call:
    """Return the request for passages."""
    return Call("/v1/retrieve", {**_question_fields(questions), "k": k, **_search_fields(options)})


def query_call(
    questions: str | Questions, k: int, n_best: int, options: SearchOptions, *, stream: bool = False
) -> Call:
    """Return the request for answers."""
    return Call(
        "/v1/query",
        {**_question_fields(questions), "k": k, "n_best": n_best, "stream": stream, **_search_fields(options)},
    )


def explain_call(question: str, passage_id: str | None, rank: int | None, options: SearchOptions) -> Call:
    """Return the request for an explanation."""
    return Call(
        "/v1/explain", {"question": question, "passage_id": passage_id, "rank": rank, **_search_fields(options)}
    )


def embed_call(texts: Sequence[str], model: str, as_passages: bool, index: str | None) -> Call:
    """Return the request for vectors."""
    input_type = "passage" if as_passages else "question"
    body = {"input": list(texts), "model": model, "input_type": input_type, "encoding_format": "base64", "index": index}
    return Call("/v1/embeddings", body)


def headers_of(key: str) -> dict[str, str]:
    """Return the headers of every request.

    Raises:
        ConfigError: the key cannot be sent in a header.
    """
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError("the server's key has blanks or other characters that no key has; copy it again")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _search_fields(options: SearchOptions) -> dict[str, object]:
    """Return the options as JSON values.

    Raises:
        RequestError: the filter cannot be read.
    """
    fields: dict[str, object] = dict(options)
    if options.get("filter") is not None:
        fields["filter"] = parse(options["filter"]).to_json()
    return fields


def _question_fields(questions: str | Questions) -> dict[str, object]:
    return {"question": questions} if isinstance(questions, str) else {"questions": list(questions)}
