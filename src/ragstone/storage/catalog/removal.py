"""Removing files, documents and stores with everything that was made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from psycopg import AsyncConnection

from ragstone.domain import Asker
from ragstone.ports import Objects
from ragstone.storage.database import ENTER, Database, entering, scope
from ragstone.storage.statements import statement


async def remove_file(
    database: Database, asker: Asker, places: Mapping[str, Objects], public_id: str, *, expired: bool = False
) -> bool:
    """Remove a file with its documents in all stores, then its bytes; False when the asker sees no such file.

    Also documents that only others may read: what is made from a file does not outlive it. With `expired`, a file
    whose time is over, and what was left when this broke off.

    Raises:
        ObjectsUnavailableError: The place of the bytes cannot be reached; they are removed later.
    """
    place = {**scope(asker), "file": public_id}
    async with database.transaction(asker) as connection:
        await connection.execute(statement("files", "hold_stores_of_file"), place)
        name = "lock_expired_file" if expired else "lock_file"
        row = await (await connection.execute(statement("files", name), place)).fetchone()
        if row is None:
            return False
        await connection.execute(ENTER, entering(replace(asker, reads_all=True)))
        await remove_documents(connection, {**place, "file_id": row[0]}, "documents_of_file")
        await connection.execute(statement("files", "withdraw_file"), place)
    if row[1] == "source" or row[1] in places:
        await erase_file(database, asker, places.get(row[1]), public_id)
    return True


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


async def empty_store(connection: AsyncConnection, asker: Asker, store: int, model_id: int) -> bool:
    """Remove everything that a store holds, also what only others may read; False when there is no such store.

    Nothing can be put into it until the transaction ends.
    """
    await connection.execute(ENTER, entering(replace(asker, reads_all=True)))
    place = {**scope(asker), "store": store}
    if await (await connection.execute(statement("stores", "shut_store"), place)).fetchone() is None:
        return False
    for name in ("lock_contents", "drop_documents", "drop_chunks", "drop_all_postings", "drop_segments"):
        await connection.execute(statement("stores", name), place)
    await connection.execute(statement("stores", "drop_vectors", model_id), place)
    return True
