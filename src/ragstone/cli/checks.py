"""The checks of `ragstone doctor`: each looks at one thing and knows what to do when it fails."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ragstone import bootstrap
from ragstone.errors import RagstoneError
from ragstone.settings import Settings

_DISK_LOW = 2 * 2**30  # bytes; an ingestion of 100,000 chunks writes about half of that
_SHARED_MEMORY_LOW = 32 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


async def all_checks(settings: Settings) -> list[Check]:
    """Every check, also those behind one that fails."""
    reaching_out: list[tuple[str, Callable[[Settings], Awaitable[Check]]]] = [
        ("embedder", _embedder),
        ("models", _models),
        ("database", _database),
        *((f"database {name}", partial(_own_database, name)) for name in settings.databases),
        ("stores", _stores),
    ]
    return [
        _python(),
        _disk(settings),
        _shared_memory(settings),
        *[await _guarded(name, look, settings) for name, look in reaching_out],
    ]


async def _guarded(name: str, look: Callable[[Settings], Awaitable[Check]], settings: Settings) -> Check:
    try:
        return await look(settings)
    except RagstoneError as error:
        found = f"{error.what}: {error.why}" if error.why else error.what
        return Check(name, ok=False, found=found, remedy=error.remedy)


def _python() -> Check:
    bits = "64 bit" if sys.maxsize > 2**32 else "32 bit"
    ok = bits == "64 bit"
    return Check("python", ok, f"{platform.python_version()}, {bits}", "" if ok else "Use a 64-bit Python")


def _disk(settings: Settings) -> Check:
    if settings.database_url:
        return Check("disk", ok=True, found="the data lies in the own database")
    free = shutil.disk_usage(_existing(settings.home)).free
    found = f"{free / 2**30:,.1f} GiB free at {settings.home}"
    ok = free >= _DISK_LOW
    return Check("disk", ok, found, "" if ok else "Free space, or choose another RAGSTONE_HOME")


def _shared_memory(settings: Settings) -> Check:
    folder = Path("/dev/shm")  # noqa: S108  a mount of the kernel, nothing is written there
    if settings.database_url or not folder.is_dir():
        return Check("shared memory", ok=True, found="not needed here")
    total = shutil.disk_usage(folder).total
    ok = total >= _SHARED_MEMORY_LOW
    remedy = "" if ok else "Give the container more, as with docker run --shm-size=64m"
    return Check("shared memory", ok, f"{total / 2**20:,.0f} MiB", remedy)


async def _embedder(settings: Settings) -> Check:
    if settings.embedding_model is not None:
        return Check("embedder", ok=True, found=f"{settings.embedding_model}, one of the models")
    model = bootstrap.embedder(threads=1)
    vectors = await model.embed_queries(["Is the embedder well?"])
    return Check("embedder", ok=True, found=f"{model.model.name}, {vectors.shape[1]} dimensions")


async def _models(settings: Settings) -> Check:
    pool = bootstrap.model_pool(settings)
    try:
        checks = await pool.check()
    finally:
        await pool.close()
    silent = [f"{check.name}: {check.error}" for check in checks if check.error]
    if not checks:
        return Check("models", ok=True, found="none: answers are in the documents' own words")
    if not silent:
        return Check("models", ok=True, found=f"{len(checks)} of {len(checks)} answer")
    remedy = "Look at the addresses and keys; meanwhile others answer, or the documents in their own words"
    return Check("models", ok=False, found="; ".join(silent), remedy=remedy)


async def _database(settings: Settings) -> Check:
    from ragstone.storage.migrate import check_server

    async with bootstrap.open_database(settings) as database, database.connection() as connection:
        return Check("database", ok=True, found=await check_server(connection))


async def _own_database(name: str, settings: Settings) -> Check:
    from ragstone.storage.migrate import check_server

    async with bootstrap.open_house(settings) as house, house.databases.named(name).connection() as connection:
        return Check(f"database {name}", ok=True, found=await check_server(connection))


async def _stores(settings: Settings) -> Check:
    from ragstone.storage.catalog.stores import list_stores

    async with bootstrap.open_house(settings) as house:
        session = await house.own_session()
        stores = await list_stores(session.database, session.asker)
    documents = sum(store.documents for store in stores)
    found = f"{len(stores):,} with {documents:,} documents"
    return Check("stores", ok=True, found=found, remedy="" if stores else "ragstone ingest PATH fills the first one")


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
