"""A worker that every file kills, as one with a defect would that no exception tells of."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from ragstone.storage.database import Database
from ragstone.storage.work.queue import Claim, Kind
from ragstone.worker.housekeeping import Housekeeping
from ragstone.worker.loop import Pace, Worker


async def die(claim: Claim) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


async def main() -> None:
    database = Database(lambda: sys.argv[1])
    await database.open()
    await Worker(database, {Kind.INGEST: die}, Pace(), Housekeeping([], [])).run(asyncio.Event())


asyncio.run(main())
