"""`ragstone serve`: the HTTP service."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone import bootstrap
from ragstone.cli.arguments import log_to_stderr, notes, run, settings
from ragstone.errors import SettingsError
from ragstone.settings import Settings

if TYPE_CHECKING:
    import uvicorn

    from ragstone.api.door.drain import Drain

_UNSENT = 128 * 1024  # bytes of an answer that the operating system takes ahead of the client
_LAST_SECONDS = 1.0  # of the grace time, in which clients are told that it is over


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="8421")
    ] = None,
) -> None:
    """Answer over HTTP until interrupted; what goes wrong meanwhile is told on standard error."""
    given = settings()
    log_to_stderr(tasks=False)
    run(_serve(given, given.host if host is None else host, given.port if port is None else port))


async def _serve(given: Settings, host: str, port: int) -> None:
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    from ragstone.api.app import create_app
    from ragstone.api.door.connections import impatient, most_connections
    from ragstone.api.door.drain import Drain, Draining

    listener = _listen(host, port)
    with listener:
        async with bootstrap.open_house(given) as house:
            key = await _key(house, host)
            house.kit(house.session(bootstrap.operator()))  # what is wrong with models and prompts is said now
            await house.embedder.embed_queries(["loaded before the first question"])
            drain = Drain()
            server = uvicorn.Server(
                uvicorn.Config(
                    Draining(create_app(house, drain), drain),
                    http=impatient(AutoHTTPProtocol, most_connections()),
                    lifespan="off",
                    log_level="warning",
                    access_log=False,
                    timeout_graceful_shutdown=given.grace_seconds,
                )
            )
            stop = asyncio.Event()
            _end_in_order(server, drain, stop, given)
            address, bound = listener.getsockname()[:2]
            shown = f"[{address}]" if ":" in address else address
            if key is not None:
                notes.print(f"The first key, shown only now:  {key}")
            notes.print(f"Ragstone listens on http://{shown}:{bound}  (interrupt with Ctrl-C)")
            if key is None and not given.oidc:
                notes.print("It opens to the keys that were made; `ragstone keys create` makes another.")
            async with _working(house, server, stop):
                await server.serve(sockets=[listener])


@asynccontextmanager
async def _working(house: bootstrap.House, server: uvicorn.Server, stop: asyncio.Event) -> AsyncIterator[None]:
    """Work on uploaded files until `stop`, unless others are to do it; a worker that fails ends the service with it."""
    from ragstone.worker.run import run_worker

    if not house.settings.serve_worker:
        yield
        return

    def ended(_: object) -> None:
        server.should_exit = server.should_exit or not stop.is_set()

    worker = asyncio.create_task(run_worker(house, stop))
    worker.add_done_callback(ended)
    try:
        yield
    finally:
        stop.set()
        await worker


def _end_in_order(server: uvicorn.Server, drain: Drain, stop: asyncio.Event, given: Settings) -> None:
    """Let SIGTERM and SIGINT stop the worker, drain the server, and leave closing the house to us.

    After SIGTERM it goes on to answer for a while, no longer ready, so that a load balancer can turn away from it.
    At the end of the grace time the server would break off without a word, so what still runs is ended before.
    """
    # Its own handlers, which it would set while it runs, close the door at once.
    server.capture_signals = nullcontext  # type: ignore[assignment]
    loop = asyncio.get_running_loop()

    def close() -> None:
        server.should_exit = True
        loop.call_later(given.grace_seconds - min(_LAST_SECONDS, given.grace_seconds / 2), drain.cut_off)

    def end(number: int, _: object) -> None:
        drain.begin()
        loop.call_soon_threadsafe(stop.set)
        loop.call_soon_threadsafe(loop.call_later, given.drain_seconds if number == signal.SIGTERM else 0, close)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


async def _key(house: bootstrap.House, host: str) -> str | None:
    """The first key of a new installation, on the machine of whoever starts it; elsewhere there has to be one."""
    if _is_loopback(host):
        return await house.first_key()
    if not await house.has_authentication():
        raise SettingsError(
            f"Not listening on {host}",
            why="there is no authentication yet: not a single key, and nobody could tell callers apart",
            remedy="Run `ragstone keys create --tenant default --scopes read,write,admin` first, or configure OIDC",
        )
    return None


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(
            f"Port {port} on {host} cannot be taken",
            why=error.strerror or str(error),
            remedy="End what uses it, or choose another with --port (0 takes a free one)",
        ) from None
    # Accepted connections inherit it; without it each answer waits 40 ms for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux: megabytes that wait in its buffers would hide that a client reads
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
