"""What a browser opens: the page at ``/``, the interface as a page at ``/docs``, and the files that both load.

The files lie in ``service/page`` and nothing else is served from there: a request is answered from a table of names, so
no path can lead out of it. A file's ETag is the hash of its content, and a browser asks with it each time: after an
upgrade nobody runs half of the old page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from dpr import __version__
from service.deps import SettingsOf
from service.status import WelcomeResponse

router = APIRouter(tags=["operations"])

NAME = "dense-passage-retrieval"
FOLDER = Path(__file__).resolve().parent.parent / "page"
PAGE, DOCUMENTATION = "index.html", "docs.html"

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",  # licences
}

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"
"""The page makes no markup out of text. Swagger UI does, of the interface's description alone."""


@dataclass(frozen=True)
class PageFile:
    """A file of the page: its bytes, and the headers that it adds to those of every response."""

    content: bytes
    headers: Mapping[str, str]


@cache
def page_files() -> Mapping[str, PageFile]:
    """Return every file below ``service/page`` by its name there, such as ``swagger-ui/swagger-ui.css``."""
    files = (path for path in sorted(FOLDER.rglob("*")) if path.is_file())
    return MappingProxyType({path.relative_to(FOLDER).as_posix(): _page_file(path) for path in files})


def _page_file(path: Path) -> PageFile:
    content = path.read_bytes()
    policy = POLICY if path.name == DOCUMENTATION else POLICY + TRUSTED_TYPES
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy, "ETag": etag}
    return PageFile(content, {**headers, "Content-Type": MEDIA_TYPES[path.suffix]})


def page_response(name: str, request: Request, vary: str | None = None) -> Response:
    """Return a file of the page, or 304 where the browser has it already.

    Raises:
        HTTPException: there is no file of this name.
    """
    file = page_files().get(name)
    if file is None:
        raise HTTPException(404)
    headers = {**file.headers, **({"Vary": vary} if vary else {})}
    etags = request.headers.get("if-none-match", "")
    if file.headers["ETag"] in (tag.strip().removeprefix("W/") for tag in etags.split(",")):
        return Response(status_code=304, headers={key: headers[key] for key in headers if key != "Content-Type"})
    return Response(file.content, headers=headers)


WELCOME_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "A pointer, or the page"}
}


@router.get("/", summary="Where to go from here", response_model=WelcomeResponse, responses=WELCOME_RESPONSES)
async def front(request: Request, settings: SettingsOf) -> Any:
    """Point to the documentation; a browser, which accepts HTML, gets the page to ask on."""
    if not settings.no_page and "text/html" in request.headers.get("accept", ""):
        return page_response(PAGE, request, vary="Accept")
    welcome = WelcomeResponse(name=NAME, version=__version__, documentation="/docs", openapi="/openapi.json")
    return Response(welcome.model_dump_json(), media_type="application/json", headers={"Vary": "Accept"})


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    """Return the page that shows the interface; all that it loads is served here."""
    return page_response(DOCUMENTATION, request)


@router.get("/page/{name:path}", include_in_schema=False)
async def file(name: str, request: Request) -> Response:
    """Return a file that the page or the documentation loads."""
    return page_response(name, request)
