"""What goes wrong, as HTTP: one table of our errors, one of the framework's, one of invalid fields, one shape.

Every error of every endpoint is ``{"error": {"code": …, "message": …, "field": …}}``: a code for programs, one
sentence for people, and the request's field that is to blame (null where none is).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from dpr.errors import (
    DiskFullError,
    DPRError,
    GeneratorError,
    GeneratorTimeoutError,
    InputError,
    RequestError,
    StoreError,
    UnknownPassageError,
)
from service.invalid_fields import INVALID_FIELDS as INVALID_FIELDS
from service.invalid_fields import invalid_field, printable
from service.schemas import ErrorOut as ErrorOut
from service.schemas import ErrorResponse as ErrorResponse
from service.security import refusals
from service.security.headers import POLICY_OF_DATA, SECURITY_HEADERS

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-ID"
UNEXPECTED = 500
METHOD_NOT_ALLOWED = 405


class NotReadyError(DPRError):
    """The index and the models are not loaded, or could not be."""


class BusyError(DPRError):
    """As many requests are computed or waiting as this server allows."""


class UnknownFieldError(RequestError):
    """A request has a parameter in its address that the path does not take."""


class UnknownIndexError(RequestError):
    """A request names an index that this server does not have."""


class ReloadFailedError(DPRError):
    """What is published of an index cannot be served; what answered before goes on."""


class WritesOffError(DPRError):
    """This server takes no changes of its indexes."""


class UnknownDocumentError(DPRError):
    """An index has no document of that id."""


class UnknownJobError(DPRError):
    """There is no job of that id."""


class JobEndedError(DPRError):
    """A job has ended, and cannot be cancelled."""


class NothingAcceptedError(RequestError):
    """No line of an import is a document."""


class TooManyLinesError(RequestError):
    """An import has more lines than are taken at a time."""


class NotRoutedError(RequestError):
    """A router does not answer such a request; a server of the whole index does."""


class ShardsLostError(DPRError):
    """No shard of a router's collection answers."""


class OtherCollectionError(DPRError):
    """A node does not serve the collection that a router asks."""


class NoReaderError(DPRError):
    """Answers are asked of a server without a reader."""


class DeadlineError(DPRError):
    """A request was not answered by its deadline."""


class ClientGoneError(DPRError):
    """The client hung up before it was answered; nobody reads this but the log."""


class ShuttingDownError(DPRError):
    """The service ends before the request is answered."""


class TooCostlyError(DPRError):
    """A request asks for more passages than this server allows."""


class HostError(DPRError):
    """A request is sent to a host name that is not this server's."""


class BodyTimeoutError(DPRError):
    """A request's body did not come in time."""


class EncodedBodyError(DPRError):
    """A request's body is compressed."""


class UnknownModelError(RequestError):
    """A request names a model that this server does not have."""


class BodyTooLargeError(DPRError):
    """The request body is over the limit, as announced or as counted."""


class Outcome(NamedTuple):
    """How an error is told: its status, its code, and whether the same request may succeed later."""

    status: int
    code: str
    retry: bool = False


OUTCOMES: Mapping[type[Exception], Outcome] = {
    NotReadyError: Outcome(503, "not_ready", retry=True),
    BusyError: Outcome(503, "busy", retry=True),
    ShuttingDownError: Outcome(503, "shutting_down", retry=True),
    DeadlineError: Outcome(504, "deadline_exceeded"),
    ClientGoneError: Outcome(499, "client_closed_request"),
    TooCostlyError: Outcome(422, "too_costly"),
    UnknownFieldError: Outcome(422, "unknown_field"),
    UnknownIndexError: Outcome(404, "unknown_index"),
    ReloadFailedError: Outcome(409, "reload_failed"),
    WritesOffError: Outcome(403, "writes_off"),
    UnknownDocumentError: Outcome(404, "unknown_document"),
    UnknownJobError: Outcome(404, "unknown_job"),
    JobEndedError: Outcome(409, "job_ended"),
    NothingAcceptedError: Outcome(422, "nothing_accepted"),
    TooManyLinesError: Outcome(422, "too_many"),
    DiskFullError: Outcome(507, "disk_full"),
    NotRoutedError: Outcome(422, "not_routed"),
    ShardsLostError: Outcome(503, "shards_lost", retry=True),
    OtherCollectionError: Outcome(409, "other_collection"),
    NoReaderError: Outcome(422, "no_reader"),
    BodyTimeoutError: Outcome(408, "request_timeout"),
    BodyTooLargeError: Outcome(413, "body_too_large"),
    EncodedBodyError: Outcome(415, "body_encoded"),
    HostError: Outcome(421, "host_not_allowed"),
    refusals.UnauthorizedError: Outcome(401, "unauthorized"),
    refusals.ForbiddenError: Outcome(403, "forbidden"),
    refusals.OriginRefusedError: Outcome(403, "origin_refused"),
    refusals.RateLimitedError: Outcome(429, "rate_limited"),
    refusals.KeysUnreadableError: Outcome(503, "keys_unreadable", retry=True),
    GeneratorTimeoutError: Outcome(504, "generator_timeout", retry=True),
    GeneratorError: Outcome(502, "generator_failed"),
    StoreError: Outcome(503, "store_unavailable", retry=True),
    UnknownPassageError: Outcome(404, "unknown_passage"),
    UnknownModelError: Outcome(404, "unknown_model"),
    InputError: Outcome(422, "invalid_request"),
    DPRError: Outcome(UNEXPECTED, "internal_error"),
}
"""Error class to outcome; a class that is not listed is told as its nearest listed ancestor."""

FRAMEWORK_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid_json", "the body is not JSON in UTF-8; send one JSON object"),
    404: ("not_found", "there is nothing at {path}; /openapi.json lists what there is"),
    405: ("method_not_allowed", "{path} does not take {method}; /openapi.json says what it takes"),
}
"""Status that the framework answers with, to code and sentence."""

CONNECTION_CODES = frozenset({"invalid_http", "headers_too_large"})
"""Codes that the connection itself refuses with, beside some of the outcomes' (`service.protocol`)."""

ABSOLUTE_PATH = re.compile(
    r"(?<![\w/:.])/(?!v1/|docs\b|openapi|livez|readyz|metrics)(?:[^\s/:;,'\"()]+/)*([^\s/:;,'\"()]+)"
)
"""A file's path in a sentence; not one of ours, such as ``/v1/retrieve``."""


class ErrorJSONResponse(JSONResponse):
    """A response that leaves its error's code in the request's state, as ``error_code``, for metrics and the log."""

    def render(self, content: Any) -> bytes:
        """Return the body, and keep the code."""
        self.code = content["error"]["code"]
        return super().render(content)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["error_code"] = self.code
        await super().__call__(scope, receive, send)


def error_body(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    """Return the one shape of an error; what does not print is escaped."""
    return {"error": {"code": code, "message": printable(message), "field": printable(field) if field else None}}


def error_response(
    status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Build the response of an error."""
    body = error_body(code, message, field)
    return ErrorJSONResponse(body, status_code=status, headers=dict(headers) if headers else None)


def without_folders(text: str) -> str:
    """Return a text in which only the last name of each absolute path is left: a client need not know the disk."""
    return ABSOLUTE_PATH.sub(lambda match: f"…/{match[1]}", text)


def outcome_of(error: Exception) -> Outcome:
    """Return how an error of ours is told: the outcome of its class, or of the nearest listed ancestor."""
    return next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)


def error_out(error: Exception) -> ErrorOut:
    """Return an error of ours as a part of a response whose other parts are good."""
    return ErrorOut(code=outcome_of(error).code, message=printable(str(error)), field=None)


def response_of(error: Exception, retry_after_s: int) -> JSONResponse:
    """Tell an error of ours by the table of outcomes; its message is already a sentence."""
    outcome = outcome_of(error)
    headers = {"Retry-After": str(retry_after_s)} if outcome.retry else {}
    if isinstance(error, refusals.RefusedCallerError):
        headers |= error.headers
    field = error.field if isinstance(error, RequestError) else None
    if outcome.status == UNEXPECTED:
        logger.error("%s: %s", type(error).__name__, error)
    return error_response(outcome.status, outcome.code, without_folders(str(error)), field, headers)


def install_error_handlers(app: FastAPI, retry_after_s: int) -> None:
    """Make ``app`` answer every error in the one shape."""

    @app.exception_handler(DPRError)
    async def on_ours(_request: Request, error: DPRError) -> JSONResponse:
        return response_of(error, retry_after_s)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        code, sentence, field = invalid_field(error.errors()[0])
        return error_response(400 if code == "invalid_json" else 422, code, sentence, field)

    @app.exception_handler(HTTPException)
    async def on_framework_error(request: Request, error: HTTPException) -> JSONResponse:
        code, sentence = FRAMEWORK_ERRORS.get(error.status_code, ("http_error", str(error.detail)))
        message = sentence.format(path=request.url.path, method=request.method)
        headers = dict(error.headers or {})
        if error.status_code == METHOD_NOT_ALLOWED:
            headers["Allow"] = allowed_methods(app, request.scope["path"]) or headers.get("allow", "GET")
        return error_response(error.status_code, code, message, headers=headers)

    @app.exception_handler(Exception)
    async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
        # The server logs the traceback of this error itself; this line ties it to the request.
        request_id = request.state.request_id
        logger.error("request %s failed unexpectedly: %s", request_id, type(error).__name__)
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": POLICY_OF_DATA, REQUEST_ID_HEADER: request_id}
        return error_response(UNEXPECTED, "internal_error", unexpected(request_id), headers=headers)


def allowed_methods(app: FastAPI, path: str) -> str:
    """Return all methods that a path takes, as ``Allow`` has them: the framework names those of its first route."""
    methods = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if compile_path(template)[0].match(path) or compile_path(template.replace("}", ":path}"))[0].match(path)
        for method in operations
    }
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


def unexpected(request_id: str) -> str:
    """Return the sentence on an error that nobody expected."""
    return f"an unexpected error happened; report it with the request id {request_id}"
