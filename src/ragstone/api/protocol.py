"""The Model Context Protocol's own server, with the two tools that research agents expect.

Its library takes a third of the time that the service needs to start, so this is imported when the first agent comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from fastapi import Request
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from ragstone import __version__
from ragstone.api.agent import Desk, Fetch, Fetched, FoundAll, Search
from ragstone.api.door.header_text import header_text
from ragstone.api.links import Links
from ragstone.bootstrap import House
from ragstone.errors import RagstoneError

STORE = "x-ragstone-store"  # header

# Pages of the machine itself, such as an inspector; a page from elsewhere that a name server points here is not.
_LOCAL = [f"http://{host}{port}" for host in ("localhost", "127.0.0.1", "[::1]") for port in ("", ":*")]

Context: TypeAlias = ServerRequestContext[Any, Request]
_Call: TypeAlias = Callable[[Desk, dict[str, object]], Awaitable[BaseModel]]


async def exchange(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, which stands for itself."""
    manager = StreamableHTTPSessionManager(
        _server, json_response=True, stateless=True, security_settings=_security(Request(scope))
    )
    async with manager.run():
        await manager.handle_request(scope, receive, send)


def _security(request: Request) -> TransportSecuritySettings:
    """Which `Host` and `Origin` are let in.

    Pages of unknown origin are refused, as the protocol demands. Any host is good if none is configured: behind a
    proxy it is not known, and a page that got here by a changed name still shows its own origin.
    """
    house: House = request.app.state.house
    settings = house.settings
    own = urlsplit(settings.public_url) if settings.public_url else None
    return TransportSecuritySettings(
        allowed_hosts=_listed(settings.mcp_hosts) or [request.headers.get("host", "")],
        allowed_origins=[*_LOCAL, *_listed(settings.mcp_origins), *([f"{own.scheme}://{own.netloc}"] if own else [])],
    )


def _listed(setting: str | None) -> list[str]:
    return [entry.strip() for entry in (setting or "").split(",") if entry.strip()]


async def _search(desk: Desk, arguments: dict[str, object]) -> BaseModel:
    return await desk.search(Search.model_validate(arguments))


async def _fetch(desk: Desk, arguments: dict[str, object]) -> BaseModel:
    return await desk.fetch(Fetch.model_validate(arguments))


def _tool(name: str, description: str, takes: type[BaseModel], gives: type[BaseModel]) -> Tool:
    return Tool(
        name=name,
        description=description,
        input_schema=takes.model_json_schema(),
        output_schema=gives.model_json_schema(),
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )


_TOOLS = [
    _tool("search", "Search the documents for passages that answer a question; best first.", Search, FoundAll),
    _tool("fetch", "Read the text of a document that was found.", Fetch, Fetched),
]
_CALLS: dict[str, _Call] = {"search": _search, "fetch": _fetch}


async def _list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=_TOOLS)


async def _call_tool(context: Context, called: CallToolRequestParams) -> CallToolResult:
    """Errors are told to the model, which can do something about them."""
    if called.name not in _CALLS:
        raise MCPError(INVALID_PARAMS, f"There is no tool {called.name}. `tools/list` lists them")
    try:
        result = await _CALLS[called.name](_desk(context), called.arguments or {})
    except RagstoneError as error:
        return _told(str(error), is_error=True)
    except ValidationError as error:
        first = error.errors()[0]
        return _told(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", is_error=True)
    answer = _told(result.model_dump_json())
    answer.structured_content = result.model_dump(mode="json")
    return answer


def _told(text: str, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


def _desk(context: Context) -> Desk:
    request = context.request
    assert request is not None
    house: House = request.app.state.house
    in_headers = (header_text(STORE, value) for value in request.headers.getlist(STORE))
    names = (*request.query_params.getlist("store"), *in_headers)
    return Desk(house, house.session(request.state.asker), Links.of(request), tuple(filter(None, names)))


_server: Server[Any] = Server(
    "ragstone",
    version=__version__,
    instructions="Search the documents first; then fetch those whose passages look right, and cite their urls.",
    on_list_tools=_list_tools,
    on_call_tool=_call_tool,
)
_server.middleware.clear()  # it would trace to wherever an environment variable points
