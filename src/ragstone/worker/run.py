"""A worker of a house, beside the service or in a process of its own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from ragstone.bootstrap import House, open_work
from ragstone.storage.answers.kept import forget_expired
from ragstone.storage.answers.remembered import forget_cached, settle_changes
from ragstone.storage.database import Database
from ragstone.storage.idempotency import sweep
from ragstone.storage.tenancy.moving import reopen_left
from ragstone.storage.tenancy.spending import forget_spending
from ragstone.storage.work.queue import Kind
from ragstone.worker.answers import Answering
from ragstone.worker.housekeeping import Chore, Housekeeping
from ragstone.worker.loop import Handler, Pace, Worker


async def run_worker(
    house: House,
    stop: asyncio.Event,
    *,
    concurrency: int | None = None,
) -> None:
    """Work on the tasks of all tenants until asked to stop.

    Args:
        house: Whose settings say how much is done at a time, in each of its databases.
        stop: Set it to let the worker finish within its grace time.
        concurrency: Instead of the setting.

    Raises:
        ModelError: The embedding model is missing.
    """
    settings = house.settings
    pace = Pace(
        concurrency=concurrency or settings.worker_concurrency,
        lease=timedelta(seconds=settings.worker_lease_seconds),
        grace=timedelta(seconds=settings.worker_grace_seconds),
    )
    async with open_work(house) as ingesting:
        handlers: dict[Kind, Handler] = {Kind.INGEST: ingesting, Kind.ANSWER: Answering(house)}
        await house.databases.prepare()
        async with asyncio.TaskGroup() as group:
            for database in house.databases.all():
                own = [ingesting.tidy] if database is house.database else []
                chores = Housekeeping(own, common_chores(house, database))
                group.create_task(Worker(database, handlers, pace, chores).run(stop))


def common_chores(house: House, database: Database) -> list[Chore]:
    """What one worker of a database does for all: each asks no other database, for that one may be away."""
    sweeps = (house.remove_expired, forget_expired, sweep, forget_spending, settle_changes, forget_cached)
    chores: list[Chore] = [partial(clear, database) for clear in sweeps]
    if database is house.database:
        chores.append(partial(reopen_left, house.databases))  # which goes on where one is away
    return chores
