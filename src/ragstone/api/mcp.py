"""`/mcp`: the Model Context Protocol over streamable HTTP.

Each request stands for itself, so that any replica can answer it, and acts for whoever's key or token it shows.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from ragstone.api.door.identity import Reading

_PROTOCOL = "ragstone.api.protocol"

router = APIRouter()


# Its messages are those of another protocol, which OpenAPI cannot describe.
@router.post("/mcp", include_in_schema=False)
async def exchange_mcp(_: Reading) -> Response:
    """Answer a message of the Model Context Protocol: the tools `search` and `fetch`.

    The stores are named by the query parameter `store` or the header `x-ragstone-store`, both of which may stand
    several times; without either all stores of the tenant are searched.
    """
    return _Exchange()


class _Exchange(Response):
    """Hands the request to the protocol's own server, which ends with it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _PROTOCOL not in sys.modules:  # importing it takes long enough to hold others up, once
            await asyncio.to_thread(import_module, _PROTOCOL)
        from ragstone.api.protocol import exchange

        await exchange(scope, receive, send)
