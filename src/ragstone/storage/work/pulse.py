"""A worker's sign of life: one connection that holds its lock, hears of new work and extends its leases.

It has a thread of its own, because the event loop of a worker may be busy for longer than a lease.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

import psycopg
from psycopg import Connection

from ragstone.errors import RagstoneError
from ragstone.storage.work.queue import Claim

_SLICE = 0.5  # seconds after which the thread looks whether it shall end
_AGAIN = 0.3  # seconds between attempts to reach the database: until it is there others take the tasks
_logger = logging.getLogger("ragstone.worker")


class Pulse:
    """Keeps the claims of a worker alive."""

    def __init__(
        self,
        conninfo: Callable[[], str],
        worker: str,
        *,
        lease: timedelta,
        heard: Callable[[], None],
        lost: Callable[[Claim], None],
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            conninfo: Where the database is; asked before each connection, in the thread.
            worker: Its name, unlike any other's.
            lease: For how long the leases are extended, three times in that time.
            heard: Called in the thread when there may be new work.
            lost: Called in the thread with each claim that is somebody else's now, or nobody's.
        """
        self._conninfo = conninfo
        self._worker = worker
        self._lease = lease
        self._heard = heard
        self._lost = lost
        self._claims: dict[Claim, None] = {}
        self._mutex = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self.alive = False  # whether the worker's lock is held: without it others take its tasks
        self.leads = False  # whether this worker does what one worker alone has to do

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, and let go of the lock."""
        self._ending.set()
        self._thread.join(timeout=5)  # it may be waiting for a database that is away

    def hold(self, claim: Claim) -> None:
        """Extend the lease of this one from now on."""
        with self._mutex:
            self._claims[claim] = None

    def drop(self, claim: Claim) -> None:
        """No longer."""
        with self._mutex:
            self._claims.pop(claim, None)

    def _run(self) -> None:
        said = ""
        while not self._ending.is_set():
            try:
                self._live()
                said = ""
            except (psycopg.Error, RagstoneError) as error:
                why = " ".join(str(error).split())
                if why != said:  # once, however long it lasts
                    _logger.warning("the connection of this worker broke: %s", why)
                said = why
                self._ending.wait(_AGAIN)

    def _live(self) -> None:
        """Until the end, or the end of the connection."""
        try:
            with Connection.connect(self._conninfo(), autocommit=True, connect_timeout=10) as connection:
                connection.execute("SET ROLE ragstone_app")
                connection.execute("SET search_path = ragstone, public")
                connection.execute("LISTEN ragstone_task")
                self._attend(connection)
        finally:
            self.alive = self.leads = False

    def _attend(self, connection: Connection) -> None:
        while not self._ending.is_set():
            self._beat(connection)
            self._heard()
            next_beat = time.monotonic() + self._lease.total_seconds() / 3
            while time.monotonic() < next_beat and not self._ending.is_set():
                news = list(connection.notifies(timeout=_SLICE, stop_after=1))
                if news:
                    self._heard()
                if any(note.payload == "cancel" for note in news):
                    break

    def _beat(self, connection: Connection) -> None:
        self.alive = self.alive or self._locked(connection, "worker_key(%s)", self._worker)
        self.leads = self.leads or self._locked(connection, "hashtextextended(%s, 0)", "ragstone.housekeeping")
        with self._mutex:
            claims = list(self._claims)
        if not claims:
            return
        rows = connection.execute(
            "SELECT id FROM extend_leases(%s, %s, %s, %s, %s)",
            (
                self._worker,
                [claim.tenant.id for claim in claims],
                [claim.id for claim in claims],
                [claim.attempt for claim in claims],
                self._lease,
            ),
        ).fetchall()
        kept = {row[0] for row in rows}
        for claim in claims:
            if claim.id not in kept:
                self._lost(claim)

    def _locked(self, connection: Connection, key: str, name: str) -> bool:
        row = connection.execute(f"SELECT pg_try_advisory_lock({key})".encode(), (name,)).fetchone()
        return bool(row and row[0])
