"""What is asked of the service: paths and bodies, the same for threads and for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, get_type_hints

from dpr.errors import ConfigError, RequestError
from dpr.filters import FilterForm, parse
from dpr.questions import listed
from dpr.value_types import check_value, kind_of

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
    _check("k", k, int)
    return Call("/v1/retrieve", {**_question_fields(questions), "k": k, **_search_fields(options)})


def query_call(
    questions: str | Questions, k: int, n_best: int, options: SearchOptions, *, stream: bool = False
) -> Call:
    """Return the request for answers."""
    _check("k", k, int)
    _check("n_best", n_best, int)
    return Call(
        "/v1/query",
        {**_question_fields(questions), "k": k, "n_best": n_best, "stream": stream, **_search_fields(options)},
    )


def explain_call(question: str, passage_id: str | None, rank: int | None, options: SearchOptions) -> Call:
    """Return the request for an explanation."""
    _check("question", question, str)
    _check("passage_id", passage_id, str | None)
    _check("rank", rank, int | None)
    return Call(
        "/v1/explain", {"question": question, "passage_id": passage_id, "rank": rank, **_search_fields(options)}
    )


def check_embedding(texts: object, as_passages: object, index: object) -> None:
    """Refuse arguments of another type than those of ``embed``.

    Raises:
        RequestError: one is.
    """
    _check("texts", texts, Sequence[str])
    _check("as_passages", as_passages, bool)
    _check("index", index, str | None)


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
    if not isinstance(key, str):
        raise ConfigError(f"key is {kind_of(key)}; give a string")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError("the server's key has blanks or other characters that no key has; copy it again")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _search_fields(options: SearchOptions) -> dict[str, object]:
    """Return the options as JSON values.

    Raises:
        RequestError: an option is of another type, or the filter cannot be read.
    """
    hints = get_type_hints(SearchOptions)
    for name, value in options.items():
        if name in hints and name != "filter":
            _check(name, value, hints[name] | None)
    fields: dict[str, object] = dict(options)
    if options.get("filter") is not None:
        fields["filter"] = parse(options["filter"]).to_json()
    return fields


def _question_fields(questions: str | Questions) -> dict[str, object]:
    return {"question": questions} if isinstance(questions, str) else {"questions": listed(questions)}


def _check(name: str, value: object, hint: Any) -> None:
    check_value(name, value, hint, partial(RequestError, field=name))
