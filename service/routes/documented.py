"""The responses of an endpoint as its documentation lists them."""

from __future__ import annotations

from typing import Any

from service.errors import ErrorResponse
from service.streaming import EVENT_STREAM

ERRORS: dict[int, tuple[str, str, str, str | None]] = {
    400: ("The body is not JSON", "invalid_json", "the body is not JSON in UTF-8; send one JSON object", None),
    401: ("No key, or an unknown one", "unauthorized", "this server asks for a key; …", None),
    403: ("The key's scope is too low", "forbidden", "the key 1f0c… has the scope read, and this needs write; …", None),
    404: (
        "There is no such passage, document, job, model or index",
        "unknown_passage",
        "this index has no passage 'p9'; name one by its id",
        "passage_id",
    ),
    409: ("It cannot be done as things are", "reload_failed", "the published generation … cannot be …", None),
    413: ("The body is too large", "body_too_large", "the body is over the limit of 1,048,576 bytes; …", None),
    429: ("The key asks too often", "rate_limited", "the key 1f0c… may ask 5 times a second, …", None),
    422: ("A field is invalid", "out_of_range", "k is 101; it must be at most 100", "k"),
    500: ("Something unexpected", "internal_error", "an unexpected error happened; report it with …", None),
    502: ("The generator failed, with no reader behind it", "generator_failed", "the generator … failed; …", None),
    503: ("Not ready, or busy", "busy", "32 requests are already computing or waiting; ask again soon", None),
    504: (
        "Not answered in time",
        "deadline_exceeded",
        "the request was not answered within 5 s; ask for less, …",
        None,
    ),
    507: ("The disk is full", "disk_full", "there is no space left on …", None),
}
"""Status to description, and an example's code, message and field."""


EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "event": {"type": "string", "enum": ["passages", "text", "answer", "done", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}

Responses = dict[int | str, dict[str, Any]]


def documented(*statuses: int, example: Any, status: int = 200, media_type: str = "application/json") -> Responses:
    """Return the ``responses`` of an endpoint: an example of success, and the errors of these statuses."""
    return {status: {"content": {media_type: {"example": example}}}, **_errors(*statuses)}


def with_events(responses: Responses, example: str) -> Responses:
    """Return the ``responses`` of an endpoint that may also respond with server-sent events."""
    events = {EVENT_STREAM: {"schema": EVENT_SCHEMA, "example": example}}
    return {**responses, 200: {"content": {**responses[200]["content"], **events}}}


def _errors(*statuses: int) -> Responses:
    responses: Responses = {}
    for status in statuses:
        description, code, message, field = ERRORS[status]
        error = {"error": {"code": code, "message": message, "field": field}}
        responses[status] = {
            "model": ErrorResponse,
            "description": description,
            "content": {"application/json": {"example": error}},
        }
    return responses


GUARDED = _errors(401, 403, 429)
"""The responses to callers without a key that is good for a route, or who ask too often."""
