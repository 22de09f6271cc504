"""Another process that moves or deletes a tenant, to be killed in the middle: `python movers.py`, its task as JSON."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ragstone.bootstrap import operator
from ragstone.storage.database import Database
from ragstone.storage.databases import Databases
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.tenancy.deletion import Remover
from ragstone.storage.tenancy.moving import Mover
from ragstone.storage.tenancy.placement import placement_of

LONGEST = 0.5  # seconds after which a process is killed at the latest


def task(server: EmbeddedServer, database: str, own: str, name: str, **what: str) -> dict[str, str]:
    """Move a tenant with `to`, or delete it without."""
    return {
        "main": server.dsn(database),
        "own": own,
        "url": server.dsn(own),
        "admin_url": server.admin_dsn(own),
        "name": name,
        **what,
    }


def begin_and_kill(given: dict[str, str]) -> bool:
    """Whether the process was killed before it was done."""
    command = [sys.executable, str(Path(__file__)), json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(random.uniform(0, LONGEST))
        process.kill()
        _, error = process.communicate()
        assert process.returncode in (-9, 0), error
        return process.returncode != 0


async def main(given: dict[str, Any]) -> None:
    database = Database(lambda: given["main"], size=2)
    await database.open()
    databases = Databases(database, {given["own"]: given["url"]}, admin_urls={given["own"]: given["admin_url"]})
    print("begun", flush=True)  # noqa: T201
    if "to" in given:
        await Mover(databases, operator(), grace=0.05).move(given["name"], placement_of(given["to"]))
    else:
        await Remover(databases, operator()).delete(given["name"])
    await databases.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
