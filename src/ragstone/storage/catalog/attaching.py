"""Files on their way into a store: each becomes a document that waits in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ragstone.domain import Asker, Attributes, Chunking, Priority
from ragstone.errors import ConflictError, ContentNotKeptError
from ragstone.storage.catalog.audiences import audience_of
from ragstone.storage.catalog.files import no_file
from ragstone.storage.catalog.handover import hand_over
from ragstone.storage.database import scope
from ragstone.storage.statements import statement
from ragstone.storage.work.queue import Kind, enqueue

_OVER = frozenset({"failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that is wanted in a store."""

    file_id: str  # public
    attributes: Attributes | None = None  # None: none, or those that it has there already
    chunking: Chunking | None = None  # None: chosen by the service
    readers: tuple[str, ...] | None = None  # principals; None: those of the file, or those that it has there already


async def attach(
    connection: AsyncConnection,
    asker: Asker,
    store: int,
    wanted: Sequence[Attachment],
    priority: Priority = Priority.BATCH,
) -> list[int]:
    """Put files into a store, in the asker's transaction; returns the ids of their documents.

    A file that is there already stays as it is, but for attributes and readers that are given. It is read again if
    that had failed or was cancelled, or if it is to be cut into other chunks.

    Raises:
        NotFoundError: One of the files is not there for the asker.
        ContentNotKeptError: One of them lies where it was ingested from, and would have to be read.
        ConflictError: One of them was attached at the same moment, or is there for others alone.
        InvalidRequestError: The readers of one leave the asker out.
    """
    if not wanted:
        return []
    audiences = await _audiences(connection, wanted)
    place = {**scope(asker), "store": store, "files": [attachment.file_id for attachment in wanted]}
    files = {row["public_id"]: row for row in await _rows(connection, "attachable_files", place)}
    for attachment in wanted:
        if attachment.file_id not in files:
            raise no_file(attachment.file_id)
    present = {row["public_id"]: row for row in await _rows(connection, "lock_attached", place)}
    new = [attachment for attachment in wanted if attachment.file_id not in present]
    old = [attachment for attachment in wanted if attachment.file_id in present]
    again = [attachment for attachment in old if _differs(attachment, present[attachment.file_id])]
    for attachment in (*new, *again):
        _require_bytes(files[attachment.file_id])
    added = await _add(connection, place, new, files, audiences)
    await _requeue(connection, place, again, present)
    await _change(connection, asker, old, present, audiences)
    async with connection.pipeline():
        for document in (*added.values(), *(present[attachment.file_id]["id"] for attachment in again)):
            await enqueue(connection, asker, Kind.INGEST, document, priority)
    return [added.get(a.file_id) or present[a.file_id]["id"] for a in wanted]


async def _audiences(connection: AsyncConnection, wanted: Sequence[Attachment]) -> dict[tuple[str, ...], int]:
    """The ids of the audiences that are named, by their readers; before any file is locked, see `stores.py`."""
    named = {attachment.readers for attachment in wanted if attachment.readers is not None}
    return {readers: await audience_of(connection, readers) for readers in sorted(named, key=sorted)}


def _differs(attachment: Attachment, document: dict[str, Any]) -> bool:
    """Whether the document has to be made again."""
    wanted = (attachment.chunking.max_tokens, attachment.chunking.overlap_tokens) if attachment.chunking else (None, 0)
    return document["status"] in _OVER or wanted != (document["max_chunk_tokens"], document["chunk_overlap_tokens"])


def _require_bytes(file: dict[str, Any]) -> None:
    if file["place"] == "source":
        raise ContentNotKeptError(
            f"The file {file['public_id']} cannot be read again",
            why="it was ingested from a folder, and its bytes stayed there",
            remedy="Upload it, or ingest it into this store from where it lies",
        )


async def _add(
    connection: AsyncConnection,
    place: dict[str, object],
    new: Sequence[Attachment],
    files: dict[str, dict[str, Any]],
    audiences: dict[tuple[str, ...], int],
) -> dict[str, int]:
    """The ids of new documents by the public ids of their files."""
    if not new:
        return {}
    made = {
        **place,
        **_columns(new),
        "files": [a.file_id for a in new],
        "filenames": [files[a.file_id]["filename"] for a in new],
        "file_ids": [files[a.file_id]["id"] for a in new],
        "audiences": [files[a.file_id]["audience_id"] if a.readers is None else audiences[a.readers] for a in new],
        "attribute_sets": [Jsonb(dict(a.attributes or {})) for a in new],
    }
    added = {row["public_id"]: row["id"] for row in await _rows(connection, "add_documents", made)}
    for attachment in new:
        if attachment.file_id not in added:
            raise ConflictError(
                f"The file {attachment.file_id} cannot be attached to this store now",
                why="somebody attaches it at this moment, or it is there for other readers",
                remedy="Try again, or ask an administrator",
            )
    return added


async def _requeue(
    connection: AsyncConnection,
    place: dict[str, object],
    again: Sequence[Attachment],
    present: dict[str, dict[str, Any]],
) -> None:
    if again:
        documents = [present[attachment.file_id]["id"] for attachment in again]
        requeued = {**place, **_columns(again), "documents": documents}
        await connection.execute(statement("documents", "requeue_documents"), requeued)


async def _change(
    connection: AsyncConnection,
    asker: Asker,
    old: Sequence[Attachment],
    present: dict[str, dict[str, Any]],
    audiences: dict[tuple[str, ...], int],
) -> None:
    """Give documents that are there already the attributes and readers that are asked for."""
    told = [a for a in old if a.attributes is not None and a.attributes != present[a.file_id]["attributes"]]
    if told:
        changes = {
            **scope(asker),
            "documents": [present[a.file_id]["id"] for a in told],
            "attribute_sets": [Jsonb(dict(a.attributes or {})) for a in told],
        }
        await connection.execute(statement("documents", "set_attributes"), changes)
    for attachment in old:
        if attachment.readers is not None:
            await hand_over(connection, asker, present[attachment.file_id]["id"], audiences[attachment.readers])


def _columns(attachments: Sequence[Attachment]) -> dict[str, object]:
    return {
        "max_tokens": [a.chunking.max_tokens if a.chunking else None for a in attachments],
        "overlaps": [a.chunking.overlap_tokens if a.chunking else 0 for a in attachments],
    }


async def _rows(connection: AsyncConnection, name: str, parameters: dict[str, object]) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("documents", name), parameters)
    return await cursor.fetchall()
