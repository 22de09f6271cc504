"""Removing files, documents and stores with everything that was made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from ragstone.domain import Asker
from ragstone.errors import ConcurrentChangeError
from ragstone.ports import Objects
from ragstone.storage.catalog.audiences import reading_all
from ragstone.storage.catalog.stores import Located
from ragstone.storage.database import Database, scope
from ragstone.storage.statements import statement


async def remove_file(
    database: Database, asker: Asker, places: Mapping[str, Objects], public_id: str, *, expired: bool = False
) -> bool:
    """Remove a file with its documents in all stores, then its bytes; False when the asker sees no such file.

    Also documents that only others may read: what is made from a file does not outlive it. With `expired`, a file
    whose time is over, and what was left when this broke off.

    Raises:
        ConcurrentChangeError: It was attached to another store at the same moment; it can be tried again.
        ObjectsUnavailableError: The place of the bytes cannot be reached; they are removed later.
    """
    file = {**scope(asker), "file": public_id}
    async with database.transaction(asker) as connection:
        if await _row(connection, "see_file", file) is None:
            return False
        async with reading_all(connection, asker):
            cursor = await connection.execute(statement("files", "hold_stores_of_file"), file)
            held = {**file, "stores": [row[0] for row in await cursor.fetchall()]}
            row = await _row(connection, "lock_expired_file" if expired else "lock_file", file)
            if row is None:
                return False
            held["file_id"] = row[0]
            if await _row(connection, "attached_elsewhere", held) is not None:
                raise ConcurrentChangeError(
                    f"The file {public_id} was attached at the same moment", remedy="Delete it again"
                )
            await remove_documents(connection, held, "documents_of_file")
            await connection.execute(statement("files", "withdraw_file"), file)
    if row[1] == "source" or row[1] in places:
        await erase_file(database, asker, places.get(row[1]), public_id)
    return True


async def _row(connection: AsyncConnection, name: str, place: Mapping[str, object]) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement("files", name), place)).fetchone()


async def erase_file(database: Database, asker: Asker, objects: Objects | None, public_id: str) -> None:
    """Remove the bytes of a file that nobody sees any more, if it has any, then its row.

    Raises:
        ObjectsUnavailableError: The place of the bytes cannot be reached.
    """
    if objects is not None:
        await objects.delete([f"{asker.tenant.id}/{public_id}"])
    async with database.transaction(asker) as connection:
        await connection.execute(statement("files", "erase_file"), {**scope(asker), "file": public_id})


async def remove_documents(connection: AsyncConnection, place: Mapping[str, object], which: str) -> int:
    """Remove the documents that a statement of `documents.sql` locks; returns how many there were."""
    cursor = await connection.execute(statement("documents", which), place)
    rows = await cursor.fetchall()
    for document, version, store, model_id in rows:
        gone = {**place, "store": store, "document": document, "version": version}
        await connection.execute(statement("library", "remove_version", model_id), gone)
        await connection.execute(statement("library", "remove_document"), gone)
    return len(rows)


async def empty_store(connection: AsyncConnection, asker: Asker, store: Located) -> None:
    """Remove everything that a store holds which is shut, also what only others may read."""
    place = {**scope(asker), "store": store.id}
    async with reading_all(connection, asker):
        for name in ("lock_sources", "lock_contents", "drop_documents", "drop_chunks", "drop_all_postings"):
            await connection.execute(statement("stores", name), place)
        await connection.execute(statement("stores", "drop_segments"), place)
        await connection.execute(statement("stores", "drop_vectors", store.model_id), place)
