"""Documents put, deleted and imported while the server runs; each is on the disk when it is acknowledged."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Body, Depends, HTTPException, Path, Request, Response

from dpr.errors import RequestError
from service import examples
from service.bodies import BoundedRoute
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf, IndexQuery, WritersOf
from service.errors import NothingAcceptedError
from service.jobs.document import ID_PATTERN, Change, Line, checked_id, put_change, read_lines
from service.jobs.job import Job
from service.jobs.schemas import DocumentIn, ImportResponse, JobOut, LineOut
from service.jobs.writers import Writers
from service.requests import MAX_ID_CHARACTERS
from service.routes.documented import GUARDED, documented
from service.security.scopes import requires

router = APIRouter(
    prefix="/v1",
    tags=["documents"],
    dependencies=[requires("write"), KNOWN_PARAMETERS],
    responses=GUARDED,
    route_class=BoundedRoute,
)


async def _document_id(
    request: Request,
    id: Annotated[  # noqa: A002  # the path calls it so
        str,
        Path(
            description="The document's id, 1 to 1,000 characters that print.",
            json_schema_extra={"minLength": 1, "maxLength": MAX_ID_CHARACTERS, "pattern": ID_PATTERN},
        ),
    ],
) -> str:
    """Return the id, refusing bytes of the path that are no UTF-8: a replacement would make one id of many."""
    if not id:
        raise HTTPException(404)
    try:
        unquote_to_bytes(request.scope["raw_path"]).decode()
    except UnicodeDecodeError:
        raise RequestError("the id is not UTF-8; send its UTF-8 bytes, percent-encoded", "id") from None
    return id


DocumentId = Annotated[str, Depends(_document_id)]

NDJSON = "application/x-ndjson"
IMPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {NDJSON: {"schema": {"type": "string"}, "example": examples.IMPORT_REQUEST}},
    }
}


@router.put(
    "/documents/{id:path}",
    summary="Add a document, or replace it",
    status_code=202,
    response_model=JobOut,
    responses=documented(400, 403, 404, 413, 422, 503, 504, 507, example=examples.JOB, status=202),
)
async def put_document(
    id: DocumentId,  # noqa: A002  # the path calls it so
    request: Annotated[DocumentIn, Body(openapi_examples=examples.DOCUMENTS)],
    engine: EngineOf,
    writers: WritersOf,
    context: ContextOf,
    index: IndexQuery = None,
) -> Response:
    """Put a document in place of all that the index has of that id; the response comes when it is on the disk.

    It is found once the job is done, in the next generation of the index.
    """
    name = engine.indexes.find(index).name
    change = put_change(id, request.title, request.text, request.metadata)
    return _response(name, await context.in_thread(writers.accept, name, "put", [change]))


@router.delete(
    "/documents/{id:path}",
    summary="Delete a document",
    status_code=202,
    response_model=JobOut,
    responses=documented(403, 404, 422, 503, 504, 507, example=examples.JOB, status=202),
)
async def delete_document(
    id: DocumentId,  # noqa: A002  # the path calls it so
    engine: EngineOf,
    writers: WritersOf,
    context: ContextOf,
    index: IndexQuery = None,
) -> Response:
    """Delete all passages of a document, or a passage; the response comes when that is on the disk."""
    engine.ready(index)
    name, document_id = engine.indexes.find(index).name, checked_id(id)
    await context.in_thread(writers.refuse_unknown, index, document_id)
    return _response(name, await context.in_thread(writers.accept, name, "delete", [Change(document_id)]))


@router.post(
    "/documents",
    summary="Import documents",
    status_code=202,
    response_class=Response,
    openapi_extra=IMPORT_BODY,
    responses=documented(
        403, 404, 413, 422, 503, 504, 507, example=examples.IMPORT_RESPONSE, status=202, media_type=NDJSON
    ),
)
async def import_documents(
    request: Request, engine: EngineOf, writers: WritersOf, context: ContextOf, index: IndexQuery = None
) -> Response:
    """Put many documents, each a line ``{"id": …, "title": …, "text": …}``; the response has a line for each.

    Its last line has the job. A line that is refused keeps none of the others back; of lines with one id, the last one
    counts.
    """
    name = engine.indexes.find(index).name
    writers.inbox(name)  # refuse before anything is read
    body = await request.body()
    with writers.importing():
        text, job_id = await context.in_thread(_import, writers, name, body)
    return Response(text, status_code=202, media_type=NDJSON, headers={"Location": f"/v1/jobs/{job_id}?index={name}"})


def _import(writers: Writers, index: str, body: bytes) -> tuple[str, str]:
    lines = list(read_lines(body))
    last = {line.change.id: line.number for line in lines if line.change}
    changes = [line.change for line in lines if line.change and last[line.change.id] == line.number]
    if not changes:
        cause = f"; line {lines[0].number}: {lines[0].error}" if lines else "; it is empty"
        raise NothingAcceptedError(f"no line of the import is a document{cause}", "body")
    job = writers.accept(index, "import", changes)
    line_models = [_line_out(line, last) for line in lines]
    statuses = [line.status for line in line_models]
    response = ImportResponse(
        job=JobOut.from_job(job, index),
        accepted=statuses.count("accepted"),
        replaced=statuses.count("replaced"),
        refused=statuses.count("refused"),
    )
    return "".join(f"{model.model_dump_json()}\n" for model in (*line_models, response)), job.id


def _line_out(line: Line, last: dict[str, int]) -> LineOut:
    if line.change is None:
        return LineOut(line=line.number, id=None, status="refused", error=line.error)
    is_last = last[line.change.id] == line.number
    return LineOut(line=line.number, id=line.change.id, status="accepted" if is_last else "replaced", error=None)


def _response(index: str, job: Job) -> Response:
    headers = {"Location": f"/v1/jobs/{job.id}?index={index}"}
    return Response(JobOut.from_job(job, index).model_dump_json(), 202, headers, "application/json")
