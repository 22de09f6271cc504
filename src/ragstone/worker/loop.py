"""The loop of a worker: take what is due, do several at a time, and say what became of each."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from ragstone.errors import ClaimLostError, FileSkippedError, RagstoneError, UnreadableFileError
from ragstone.storage.database import Database
from ragstone.storage.work.pulse import Pulse
from ragstone.storage.work.queue import Claim, Kind, Queue
from ragstone.worker.housekeeping import Housekeeping

ATTEMPTS = 6  # after so many failures a task is given up
POLL = 3.0  # seconds after which an idle worker looks for tasks whose time has come, or whose worker is gone
_LONGEST_DELAY = 300.0  # seconds
_LOST_PATIENCE = 1.0  # seconds; a task that just ends is missed by the heartbeat as well
_AWAY_AFTER = 5.0  # seconds; what takes longer than this is waited for no more
_AWAY = 1.0  # seconds between attempts while the database is away
_PATIENCE = 120.0  # seconds of such attempts

_logger = logging.getLogger("ragstone.worker")

Handler = Callable[[Claim], Awaitable[str]]
"""Does what a claim asks for, including the last write, which checks the claim; returns what to say about it.

Raises `UnreadableFileError` for what will never succeed, `ClaimLostError`, and any other error for what may succeed
at another time.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a worker does at a time, and how patient it and others are."""

    concurrency: int = 4  # tasks in flight
    lease: timedelta = timedelta(seconds=30)  # a worker that is silent for so long has lost its tasks
    grace: timedelta = timedelta(seconds=20)  # for what is in flight, when the worker is to end


def delay(failures: int) -> float:
    """Seconds to wait after this many failures: 1, 4, 16, 64, 256, each up to half more or less by chance."""
    return min(_LONGEST_DELAY, float(4 ** (failures - 1)) * random.uniform(0.5, 1.5))  # noqa: S311


class Worker:
    """Works on the tasks of all tenants of one database."""

    def __init__(
        self, database: Database, handlers: Mapping[Kind, Handler], pace: Pace, housekeeping: Housekeeping
    ) -> None:
        """Prepare; nothing is taken yet."""
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._database = database
        self._handlers = handlers
        self._pace = pace
        self._housekeeping = housekeeping
        self._queue = Queue(database, self.name, handlers, lease=pace.lease)
        self._running: dict[Claim, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._said = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until asked to stop; what is not done within the grace time is handed back."""
        loop = asyncio.get_running_loop()
        pulse = Pulse(
            self._database.conninfo,
            self.name,
            lease=self._pace.lease,
            heard=lambda: _in_loop(loop, self._wake.set),
            lost=lambda claim: _in_loop(loop, lambda: self._lose(loop, claim)),
        )
        stopping = asyncio.create_task(stop.wait())
        chores = asyncio.create_task(self._housekeeping.run(lambda: pulse.leads))
        try:
            with pulse:
                while not stop.is_set():
                    self._wake.clear()
                    await self._fill(pulse)
                    await self._rest(stopping)
                await self._wind_up()
        finally:
            chores.cancel()
            stopping.cancel()
            await asyncio.gather(chores, stopping, return_exceptions=True)

    async def _fill(self, pulse: Pulse) -> None:
        room = self._pace.concurrency - len(self._running)
        if not room or not pulse.alive:
            return
        try:
            async with asyncio.timeout(_AWAY_AFTER):
                claims = await self._queue.take(room)
        except TimeoutError:
            self._warn("the database does not answer")
            return
        except RagstoneError as error:
            self._warn(str(error))
            return
        self._said = ""
        for claim in claims:
            pulse.hold(claim)
            task = self._running[claim] = asyncio.create_task(self._work(claim))
            task.add_done_callback(partial(self._ended, claim, pulse))

    def _warn(self, why: str) -> None:
        if why != self._said:  # once, however long it lasts
            _logger.warning("no work: %s", why)
        self._said = why

    def _ended(self, claim: Claim, pulse: Pulse, task: asyncio.Task[None]) -> None:
        pulse.drop(claim)
        del self._running[claim]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            _logger.error("a defect met with the end of task %d", claim.id, exc_info=error)

    async def _rest(self, stopping: asyncio.Task[bool]) -> None:
        """Until there may be something to take, or it is time to end."""
        woken = asyncio.create_task(self._wake.wait())
        await asyncio.wait({woken, stopping}, timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _work(self, claim: Claim) -> None:
        began = time.monotonic()
        try:
            said = await self._handlers[claim.kind](claim)
        except ClaimLostError as lost:
            _logger.info("dropped   %s  %s", claim.tenant.name, lost)
        except UnreadableFileError as error:
            code, reason = "unsupported_file" if isinstance(error, FileSkippedError) else "invalid_file", str(error)
            _logger.info("failed    %s  %s", claim.tenant.name, reason)
            await self._settle(claim, lambda: self._queue.fail(claim, code, reason))
        except (RagstoneError, OSError) as error:
            await self._put_off(claim, str(error))
        except Exception as error:  # the outermost loop: a defect costs one document, not the worker
            _logger.exception("a defect met with task %d", claim.id)
            await self._put_off(claim, f"a defect of Ragstone: {type(error).__name__}: {error}")
        else:
            _logger.info("completed %s  %s in %.1f s", claim.tenant.name, said, time.monotonic() - began)

    async def _put_off(self, claim: Claim, reason: str) -> None:
        failures = claim.failures + 1
        if failures >= ATTEMPTS:
            _logger.error("given up  %s  task %d after %d attempts: %s", claim.tenant.name, claim.id, failures, reason)
            await self._settle(claim, lambda: self._queue.bury(claim, reason))
        else:
            seconds = delay(failures)
            _logger.warning("again     %s  task %d in %.0f s: %s", claim.tenant.name, claim.id, seconds, reason)
            await self._settle(claim, lambda: self._queue.retry(claim, reason, seconds))
            asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _settle(self, claim: Claim, write: Callable[[], Awaitable[None]]) -> None:
        """Write what became of a claim; while the database is away it stays ours, within reason."""
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                await write()
            except ClaimLostError as lost:
                _logger.info("dropped   %s  %s", claim.tenant.name, lost)
            except RagstoneError as error:
                if time.monotonic() < patience:
                    await asyncio.sleep(_AWAY)
                    continue
                _logger.warning("dropped   %s  %s", claim.tenant.name, error)  # its lease ends by itself
            return

    def _lose(self, loop: asyncio.AbstractEventLoop, claim: Claim) -> None:
        loop.call_later(_LOST_PATIENCE, self._abandon, claim)

    def _abandon(self, claim: Claim) -> None:
        if task := self._running.get(claim):
            _logger.info("dropped   %s  task %d was cancelled or taken away", claim.tenant.name, claim.id)
            task.cancel()

    async def _wind_up(self) -> None:
        """Finish within the grace time, and hand back what is not finished by then."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self._pace.grace.total_seconds())
        left = dict(self._running)
        for task in left.values():
            task.cancel()
        await asyncio.gather(*left.values(), return_exceptions=True)
        for claim in left:
            try:
                async with asyncio.timeout(_AWAY_AFTER):
                    await self._queue.hand_back(claim)
            except (RagstoneError, TimeoutError) as error:  # its lease ends by itself
                _logger.info("dropped   %s  %s", claim.tenant.name, error)
            else:
                _logger.info("handed back %s  task %d", claim.tenant.name, claim.id)


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
