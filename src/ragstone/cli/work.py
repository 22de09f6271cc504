"""`ragstone worker` and `ragstone requeue`: the work on uploaded files."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from ragstone import bootstrap
from ragstone.cli.arguments import log_to_stderr, notes, out, run, settings
from ragstone.errors import NotFoundError
from ragstone.settings import Settings


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=64, help="Files in hand at a time.", show_default="4")
    ] = None,
) -> None:
    """Turn uploaded files into documents until interrupted; one line on standard error for each.

    Any number of workers share the work. What an interrupted one has not finished in time is handed back.
    """
    given = settings()
    log_to_stderr(tasks=True)
    run(_work(given, concurrency))


def requeue(
    tenant: Annotated[str, typer.Option(help="Whose documents.")] = bootstrap.TENANT,
) -> None:
    """Try the documents again that were given up after repeated errors."""
    count = run(_requeue(settings(), tenant))
    out.print(f"{count:,} documents wait again.")


async def _work(given: Settings, concurrency: int | None) -> None:
    from ragstone.worker.run import run_worker

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with bootstrap.open_house(given) as house:
        notes.print("Ragstone works on uploaded files  (interrupt with Ctrl-C)")
        await run_worker(house, stop, concurrency=concurrency)


async def _requeue(given: Settings, tenant: str) -> int:
    from ragstone.storage.tenancy.tenants import find_tenant
    from ragstone.storage.work.queue import requeue as again

    async with bootstrap.open_house(given) as house:
        found = await find_tenant(house.database, tenant)
        if found is None:
            raise NotFoundError(f"There is no tenant {tenant}", remedy="`ragstone tenants list` shows them")
        session = house.session(bootstrap.everything(found, bootstrap.COMMAND_LINE))
        return await again(session.database, session.asker)
