"""The OpenAPI document, made to say what this server takes: rules between fields, and what its settings decide.

A schema of fields alone says less than is refused: one of ``question`` and ``questions``, fusion for a retriever that
fuses, a reranker where there is one. With these rules, what a generated client or a fuzzer sends by the document is
taken, and what breaks the document is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from dpr.search.registry import HYBRID_LISTS, RETRIEVERS, fuses
from service.errors import NotReadyError
from service.fusion import default_of, served
from service.indexes import Indexes
from service.requests import MAX_WEIGHT
from service.settings import Settings

Schema = dict[str, Any]

NULL: Schema = {"type": "null"}

ONE_QUESTION_OR_SEVERAL: list[Schema] = [
    {
        "title": "one question",
        "required": ["question"],
        "properties": {"question": {"type": "string"}, "questions": NULL},
    },
    {
        "title": "several questions",
        "required": ["questions"],
        "properties": {"questions": {"type": "array"}, "question": NULL},
    },
]

ID_OR_RANK: list[Schema] = [
    {"title": "by rank", "properties": {"passage_id": NULL}},
    {
        "title": "by id",
        "required": ["passage_id"],
        "properties": {"passage_id": {"type": "string"}, "rank": NULL},
    },
]

ONE_OF: Mapping[str, list[Schema]] = {
    "RetrieveRequest": ONE_QUESTION_OR_SEVERAL,
    "QueryRequest": ONE_QUESTION_OR_SEVERAL,
    "ExplainRequest": ID_OR_RANK,
}
"""Requests that have one of two forms, and the forms."""


RetrieversOf = Mapping[str, Sequence[str]]
"""The names of the retrievers that a request may ask of each index, the default index first."""


def install_openapi(app: FastAPI, settings: Settings, indexes: Indexes) -> None:
    """Make ``app`` publish the document with the rules of this server, and of the generations that answer now."""
    plain = app.openapi
    described: list[RetrieversOf] = []

    def openapi() -> Schema:
        retrievers = retrievers_of(indexes, settings)
        if described != [retrievers]:
            app.openapi_schema = None
            add_rules(plain(), settings, retrievers)
            described[:] = [retrievers]
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def retrievers_of(indexes: Indexes, settings: Settings) -> RetrieversOf:
    """Return the retrievers that each index has and this server serves; all, while an index is still being loaded."""
    names: dict[str, Sequence[str]] = {}
    for index in indexes:
        try:
            names[index.name] = served(index.snapshot.index.names, settings)
        except NotReadyError:
            names[index.name] = served(RETRIEVERS, settings)
    return names


def add_rules(document: Schema, settings: Settings, retrievers: RetrieversOf) -> None:
    """Add the rules between fields, those of the settings and those of the indexes, to the schemas of requests."""
    schemas = document["components"]["schemas"]
    index_names = list(retrievers)
    if not settings.node:  # which takes no questions
        _add_rules_of_questions(schemas, settings, retrievers)
    for operations in document["paths"].values():
        for parameter in (item for operation in operations.values() for item in operation.get("parameters", ())):
            if parameter["name"] == "index":
                parameter["schema"] = {"type": "string", "enum": index_names}
    if settings.keys_file is None:
        _open_to_all(document)


def _add_rules_of_questions(schemas: Schema, settings: Settings, retrievers: RetrieversOf) -> None:
    union = [name for name in RETRIEVERS if any(name in names for names in retrievers.values())]
    are_alike = all(list(names) == union for names in retrievers.values())
    cases = _fusing(default_of(union, settings)) if are_alike else _by_index(retrievers, settings)
    for name, forms in ONE_OF.items():
        schema = schemas[name]
        schema["oneOf"] = forms
        schema["allOf"] = [{"anyOf": cases}]
        _narrow(schema, "weights", {"anyOf": [_weights(), NULL]})
        _narrow(schema, "retriever", {"anyOf": [{"type": "string", "enum": union}, NULL]})
        if settings.rerank is None:
            _narrow(schema, "rerank", {"anyOf": [{"type": "boolean", "const": False}, NULL]})
    for name in (*ONE_OF, "EmbeddingsRequest"):
        _narrow(schemas[name], "index", {"anyOf": [{"type": "string", "enum": list(retrievers)}, NULL]})


def _narrow(schema: Schema, name: str, rule: Schema) -> None:
    """Replace what a property takes, and keep what its documentation says."""
    former = schema["properties"][name]
    schema["properties"][name] = {
        **{key: former[key] for key in ("title", "description", "default") if key in former},
        **rule,
    }


def _open_to_all(document: Schema) -> None:
    """Ask for no key: this server has none."""
    document["components"].pop("securitySchemes", None)
    for operations in document["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)


def _by_index(retrievers: RetrieversOf, settings: Settings) -> list[Schema]:
    """Return a case for each index, with the retrievers that it has, and with fusion for those that fuse."""
    cases: list[Schema] = []
    for number, (index, names) in enumerate(retrievers.items()):
        default = default_of(names, settings)
        has_default = default in names
        cases.append(
            {
                "title": f"of the index {index}",
                "properties": {
                    "index": {"enum": [index, *([] if number else [None])]},
                    "retriever": {"enum": [*names, *([None] if has_default else [])]},
                },
                "required": [*(["index"] if number else []), *([] if has_default else ["retriever"])],
                "anyOf": _fusing(default),
            }
        )
    return cases


def _fusing(default: str) -> list[Schema]:
    """Return the two cases: nothing is said of the fusion, or the retriever is one that fuses."""
    names: list[str | None] = [name for name in RETRIEVERS if fuses(name)]
    fused_case: Schema = {"title": "fused", "properties": {"retriever": {"enum": names}}}
    if fuses(default):
        names.append(None)
    else:
        fused_case["required"] = ["retriever"]
    return [{"title": "fused as by default", "properties": {"fusion": NULL, "weights": NULL}}, fused_case]


def _weights() -> Schema:
    """Return the schema of weights: one for each list, not all 0."""
    weight = {"type": "number", "minimum": 0, "maximum": MAX_WEIGHT}
    return {
        "type": "object",
        "properties": dict.fromkeys(HYBRID_LISTS, weight),
        "required": list(HYBRID_LISTS),
        "additionalProperties": False,
        "anyOf": [{"properties": {name: {"exclusiveMinimum": 0}}} for name in HYBRID_LISTS],
    }
