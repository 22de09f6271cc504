"""The installation's database, and those that single tenants have to themselves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

from ragstone.domain import Tenant
from ragstone.errors import DatabaseError, DatabaseUnavailableError
from ragstone.storage.database import Database
from ragstone.storage.migrate import migrate

_PATIENCE = 5.0  # seconds; others must not wait for one tenant's database
_PAUSE = 2.0  # seconds for which a database that did not answer is not asked again

_log = logging.getLogger(__name__)


class OwnDatabase(Database):
    """A database of single tenants: migrated and opened when it is first needed, and given up quickly."""

    def __init__(self, name: str, url: str, *, admin_url: str | None = None, size: int = 10) -> None:
        """Nothing is asked of it yet; `admin_url` is its owner's, for migrations."""
        super().__init__(lambda: url, size=size, timeout=_PATIENCE)
        self.name = name
        self._admin_url = admin_url or url
        self._opening: asyncio.Task[None] | None = None
        self._opened = False
        self._asked_again_at = 0.0
        self._trouble = ""

    async def ready(self) -> None:
        """Return when it is migrated and open.

        Raises:
            DatabaseUnavailableError: It cannot be reached, does not suit, or takes its time.
        """
        if time.monotonic() < self._asked_again_at:
            raise self._unavailable()
        if self._opened:
            return
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.shield(self._opening)  # a migration goes on when nobody waits any more
        except (DatabaseError, TimeoutError) as error:
            raise self._troubled(error) from None

    async def _open(self) -> None:
        await migrate(self._admin_url)
        await super().open()
        self._opened = True

    async def close(self) -> None:
        """Give the connections back."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await super().close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection outside any transaction and tenant; its errors come out as Ragstone's own."""
        await self.ready()
        try:
            async with super().connection() as connection:
                yield connection
        except DatabaseUnavailableError as error:
            if not isinstance(error.__context__, PoolTimeout):
                raise
            raise self._troubled(error) from None

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection]:
        """A connection beside the pool."""
        await self.ready()
        async with super().alone() as connection:
            yield connection

    def _troubled(self, error: Exception) -> DatabaseUnavailableError:
        why = f"{error.what}: {error.why}" if isinstance(error, DatabaseError) else f"no answer within {_PATIENCE:g} s"
        self._trouble = why
        self._asked_again_at = time.monotonic() + _PAUSE
        _log.warning("the database %s cannot be used: %s", self.name, why)
        return self._unavailable()

    def _unavailable(self) -> DatabaseUnavailableError:
        return DatabaseUnavailableError(
            f"The database {self.name} cannot be used",
            why=self._trouble,
            remedy="Check its URL in RAGSTONE_DATABASES and that its server runs",
        )


class Databases:
    """All databases by the names that tenants' rows have for them."""

    def __init__(
        self, main: Database, urls: Mapping[str, str], *, admin_urls: Mapping[str, str] | None = None, size: int = 10
    ) -> None:
        """Nothing is opened; `main` is open already and stays so."""
        self.main = main
        admins = admin_urls or {}
        self._own = {name: OwnDatabase(name, url, admin_url=admins.get(name), size=size) for name, url in urls.items()}

    def of(self, tenant: Tenant) -> Database:
        """Where a tenant's contents are; its users and keys are in `main`.

        Raises:
            DatabaseUnavailableError: Its database is not in the settings.
        """
        return self.named(tenant.database)

    def named(self, name: str | None) -> Database:
        """The database of that name; None for the installation's.

        Raises:
            DatabaseUnavailableError: There is none of that name in the settings.
        """
        if name is None:
            return self.main
        if name not in self._own:
            raise DatabaseUnavailableError(
                f"The database {name} is not in the settings", remedy="Add its name and URL to RAGSTONE_DATABASES"
            )
        return self._own[name]

    def all(self) -> tuple[Database, ...]:
        """Every database, the installation's first; those of tenants may not answer."""
        return (self.main, *self._own.values())

    async def prepare(self) -> None:
        """Bring all to this release's schema; one that does not answer is left for when it is needed."""
        outcomes = await asyncio.gather(*(own.ready() for own in self._own.values()), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, DatabaseError):
                raise outcome

    async def close(self) -> None:
        """Give the connections of the tenants' databases back."""
        await asyncio.gather(*(own.close() for own in self._own.values()))
