"""`/v1/files`: upload, list, download and delete."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from ragstone.api.door.identity import Reading, Writing
from ragstone.api.pages import ListPage, LongPaged, list_page
from ragstone.api.receiving import UPLOAD_FORM, receive
from ragstone.api.shapes.catalog import FileObject, RemovedFile
from ragstone.api.uploads import Form
from ragstone.storage.catalog.uploading import StoredFile

router = APIRouter(prefix="/v1/files", tags=["files"])

_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.post("", openapi_extra=UPLOAD_FORM)
async def create_file(request: Request, session: Writing) -> FileObject:
    """Upload a file, to attach it to stores."""
    form = Form(request.headers.get("content-type", ""), request.stream())
    return FileObject.of(await receive(form, session.files))


@router.get("")
async def list_files(
    excerpt: LongPaged,
    session: Reading,
    purpose: Annotated[str | None, Query(description="Only files of this purpose.")] = None,
) -> ListPage[FileObject]:
    """List the files that the caller may read."""
    return list_page(await session.files.page(excerpt, purpose), FileObject.of)


@router.get("/{file_id}")
async def retrieve_file(file_id: str, session: Reading) -> FileObject:
    """Describe a file."""
    return FileObject.of(await session.files.find(file_id))


@router.delete("/{file_id}")
async def delete_file(file_id: str, session: Writing) -> RemovedFile:
    """Delete a file, and what was made from it in all stores."""
    await session.files.delete(file_id)
    return RemovedFile(id=file_id)


@router.get(
    "/{file_id}/content",
    response_class=StreamingResponse,
    responses={200: {"description": "The bytes.", "content": _BINARY}},
)
async def download_file(file_id: str, session: Reading) -> StreamingResponse:
    """Download a file as it was uploaded."""
    file = await session.files.find(file_id)
    pieces = await session.files.content(file)
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=_download(file))


def _download(file: StoredFile) -> dict[str, str]:
    """Headers by which no browser shows a file as a page of this service (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in file.filename)
    return {
        "content-length": str(file.size),
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.filename, safe='')}",
        "x-content-type-options": "nosniff",
    }
