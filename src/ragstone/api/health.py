"""Whether the service lives, is ready, has started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ragstone.api.door.drain import Drain
from ragstone.bootstrap import House
from ragstone.errors import RagstoneError
from ragstone.models.pool.state import MemberState, State
from ragstone.ports import Objects

router = APIRouter(tags=["health"])

_PATIENCE = 2.0  # seconds; a probe that waits longer is given up by Kubernetes' defaults


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers; nothing else is asked."""
    return {"status": "alive"}


@router.get("/startupz")
async def startupz() -> dict[str, str]:
    """The service listens only once it is open."""
    return {"status": "started"}


@router.get("/readyz", responses={503: {"description": "One of them fails.", "content": {"application/json": {}}}})
async def readyz(request: Request) -> JSONResponse:
    """Each dependency by name; 503 while one of them fails.

    Models are told about as well. The service is ready without them: it answers in the documents' own words then.
    """
    house: House = request.app.state.house
    drain: Drain = request.app.state.drain
    checks = {"database": await _database(house)}
    if house.settings.embedding_model is None:
        checks["embedder"] = await _embedder(house)
    if house.bucket is not None:
        checks["files"] = await _files(house.bucket)
    if drain.draining:
        checks["service"] = {"ok": False, "error": "it is about to end"}
    ready = all(check["ok"] for check in checks.values())
    if members := house.pool.state():
        checks["models"] = _models(members)
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


async def _database(house: House) -> dict[str, object]:
    start = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE), house.database.connection() as connection:
            await connection.execute("SELECT 1")
    except (RagstoneError, TimeoutError) as error:
        return {"ok": False, "error": str(error) or f"no answer within {_PATIENCE:g} s"}
    return {"ok": True, "ms": round((time.perf_counter() - start) * 1000, 3)}


async def _files(bucket: Objects) -> dict[str, object]:
    start = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE):
            await bucket.check()
    except (RagstoneError, TimeoutError) as error:
        return {"ok": False, "error": str(error) or f"no answer within {_PATIENCE:g} s"}
    return {"ok": True, "ms": round((time.perf_counter() - start) * 1000, 3)}


async def _embedder(house: House) -> dict[str, object]:
    start = time.perf_counter()
    try:
        await house.embedder.embed_queries(["ready?"])
    except RagstoneError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "ms": round((time.perf_counter() - start) * 1000, 3)}


def _models(members: Sequence[MemberState]) -> dict[str, object]:
    """Whether of each kind one can be asked. Nothing more is said to whoever comes by."""
    asked = frozenset({State.READY, State.HALF_OPEN})
    away = [member for member in members if member.state not in asked]
    kinds = {member.kind for member in members} - {member.kind for member in members if member.state in asked}
    told: dict[str, object] = {"ok": not kinds}
    return {**told, "error": f"{len(away)} of {len(members)} are away"} if away else told
