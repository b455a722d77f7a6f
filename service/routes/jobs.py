"""What became of accepted documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service import examples
from service.deps import KNOWN_PARAMETERS, ContextOf, EngineOf, IndexQuery, WritersOf
from service.jobs.inbox import JOB_ID
from service.jobs.schemas import JobOut, JobsResponse
from service.routes.documented import GUARDED, documented
from service.security.scopes import requires

JobId = Annotated[str, Path(json_schema_extra={"pattern": f"^{JOB_ID.pattern}$"})]
router = APIRouter(
    prefix="/v1", tags=["documents"], dependencies=[requires("write"), KNOWN_PARAMETERS], responses=GUARDED
)


@router.get("/jobs", summary="The newest jobs", responses=documented(403, 404, 422, 504, example=examples.JOBS))
async def jobs(
    engine: EngineOf,
    writers: WritersOf,
    context: ContextOf,
    index: IndexQuery = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many jobs at most.")] = 100,
) -> JobsResponse:
    """List the newest jobs of an index, newest first."""
    name = engine.indexes.find(index).name
    newest = await context.in_thread(writers.inbox(name).jobs, limit)
    return JobsResponse(jobs=[JobOut.from_job(job, name) for job in newest])


@router.get("/jobs/{id}", summary="A job", responses=documented(403, 404, 422, 504, example=examples.JOB))
async def job(id: JobId, engine: EngineOf, writers: WritersOf, context: ContextOf, index: IndexQuery = None) -> JobOut:  # noqa: A002
    """Tell how far a job is, and how it ended."""
    name = engine.indexes.find(index).name
    return JobOut.from_job(await context.in_thread(writers.inbox(name).find, id), name)


@router.delete(
    "/jobs/{id}",
    summary="Cancel a job",
    status_code=202,
    responses=documented(403, 404, 409, 422, 504, example=examples.JOB, status=202),
)
async def cancel_job(
    id: JobId,  # noqa: A002
    engine: EngineOf,
    writers: WritersOf,
    context: ContextOf,
    index: IndexQuery = None,
) -> JobOut:
    """Ask for a job to be cancelled: none of its documents is changed then. Ask for it again to see how it ended."""
    name = engine.indexes.find(index).name
    return JobOut.from_job(await context.in_thread(writers.cancel, name, id), name)
