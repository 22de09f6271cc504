"""The pool of connections: every transaction acts for one tenant, under a role that owns nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from pgvector.psycopg.halfvec import register_halfvec_info
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types import TypeInfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ragstone.domain import Asker, Tenant
from ragstone.errors import (
    ConcurrentChangeError,
    ConflictError,
    DatabaseError,
    DatabaseUnavailableError,
    DatabaseUnsuitableError,
    DiskFullError,
    InvalidRequestError,
    RagstoneError,
    TenantMovingError,
)
from ragstone.storage.migrate import unavailable

# ef_search and the iterative scan: without the scan, recall falls to .67 under filters (docs/decisions/0002).
# max_scan_tuples bounds what a filter that matches almost nothing may cost. tcp_keepalives: the locks of a machine that
# vanished would stay for two hours by Linux's default.
_SESSION = b"""
SET search_path = ragstone, public;
SET jit = off;
SET hnsw.ef_search = 100;
SET hnsw.iterative_scan = relaxed_order;
SET hnsw.max_scan_tuples = 40000;
SET idle_in_transaction_session_timeout = '15min';
SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3;
"""

# A server that vanished without a word, as a machine does that loses its network, must be noticed within seconds.
_KEEPALIVE = {"keepalives_idle": "5", "keepalives_interval": "3", "keepalives_count": "3", "tcp_user_timeout": "14000"}


class Database:
    """A pool of connections to one database."""

    def __init__(self, dsn: Callable[[], str], *, size: int = 10, timeout: float = 30) -> None:
        """Nothing is opened yet; `dsn` is asked again for each connection, so it may revive the server."""
        self._dsn = dsn
        self._halfvec: TypeInfo | None = None
        # The pool tries a connection before it lends it: after a restart of the server all are dead.
        self._pool = AsyncConnectionPool(
            self._conninfo,
            kwargs={"autocommit": True, "connect_timeout": 10},
            min_size=1,
            max_size=size,
            timeout=timeout,
            open=False,
            configure=self._configure,
            check=AsyncConnectionPool.check_connection,
            name="ragstone",
        )
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseUnavailableError: The server cannot be reached or refuses the login.
            DatabaseUnsuitableError: The login may not act as ragstone_app, or the schema is missing.
        """
        # The pool keeps trying in the background and says nothing; the first connection is made here so that
        # a wrong password is told at once.
        try:
            async with await AsyncConnection.connect(self._dsn(), autocommit=True, connect_timeout=10) as connection:
                await self._configure(connection)
        except psycopg.OperationalError as error:
            raise unavailable(error, self._dsn()) from None
        await self._pool.open()

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close()

    def conninfo(self) -> str:
        """Where to connect beside the pool; blocks while the server is started again."""
        return make_conninfo("", **{**_KEEPALIVE, **conninfo_to_dict(self._dsn())})

    async def _conninfo(self) -> str:
        # It may have to start the server again; other requests are answered meanwhile.
        return await asyncio.to_thread(self.conninfo)

    async def _configure(self, connection: AsyncConnection) -> None:
        try:
            await connection.execute("SET ROLE ragstone_app")
            await connection.execute(_SESSION)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
            raise DatabaseUnsuitableError(
                "This login may not act as the role ragstone_app",
                why=str(error).splitlines()[0],
                remedy="Run GRANT ragstone_app TO the login of RAGSTONE_DATABASE_URL",
            ) from None
        if self._halfvec is None:
            self._halfvec = await TypeInfo.fetch(connection, "halfvec")
        if self._halfvec is None:
            raise DatabaseUnsuitableError(
                "The type halfvec is missing in this database", remedy="Run CREATE EXTENSION vector in schema public"
            )
        register_halfvec_info(connection, self._halfvec)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection outside any transaction and tenant; its errors come out as Ragstone's own."""
        with _spoken():
            async with self._pool.connection() as connection:
                try:
                    yield connection
                except psycopg.errors.ReadOnlySqlTransaction:
                    # The server has become a standby: the pool must look for the new primary.
                    await connection.close()
                    raise

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection]:
        """A connection beside the pool, for locks that end with it and for work that takes long."""
        with _spoken():
            conninfo = await self._conninfo()
            async with await AsyncConnection.connect(conninfo, autocommit=True, connect_timeout=10) as connection:
                await self._configure(connection)
                yield connection

    @asynccontextmanager
    async def transaction(self, asker: Asker) -> AsyncIterator[AsyncConnection]:
        """A read-committed transaction on an asker's behalf: the policies of all tables know who it is."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute(ENTER, entering(asker))
            yield connection

    @asynccontextmanager
    async def registry(self, asker: Asker) -> AsyncIterator[AsyncConnection]:
        """A transaction on the users, keys and audit log of a tenant; its contents may be in another database."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute(ATTEND, entering(asker))
            yield connection

    async def tenant(self, name: str, actor: str = "") -> Tenant:
        """The tenant of that name, made if there is none; the audit log names `actor` for that."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute(ATTEND, {"tenant": 0, "actor": actor, "reads_all": False, "request": ""})
            cursor = await connection.execute("SELECT tenant_id, name, shard, database FROM tenant_named(%s)", (name,))
            row = await cursor.fetchone()
        assert row is not None
        return Tenant(*row)


@contextmanager
def _spoken() -> Iterator[None]:
    """Errors of the driver come out as Ragstone's own."""
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise DiskFullError(
            "The database has no space left",
            why=str(error).splitlines()[0],
            remedy="Free space on its disk and run the command again; what was confirmed is stored",
        ) from None
    except _UNFIT as error:
        raise _unfit(error) from None
    except PoolTimeout as error:
        raise DatabaseUnavailableError(
            "The database does not answer", why=str(error), remedy="`ragstone doctor` looks closer"
        ) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            "The connection to the database broke",
            why=" ".join(str(error).split()),
            remedy="Try again; `ragstone doctor` looks closer",
        ) from None
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise DatabaseUnavailableError(
            "The database has become a standby", why=str(error).splitlines()[0], remedy="Try again in a moment"
        ) from None
    except psycopg.DatabaseError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from None


def _refusal(error: psycopg.DatabaseError) -> RagstoneError | None:
    """The error of a statement that the server would not execute; None for a mistake of our own."""
    if error.sqlstate is None or isinstance(error, psycopg.IntegrityError):
        return None  # the driver's complaint, or a violated NOT NULL
    if error.sqlstate == _UNSETTLED:
        return TenantMovingError("The tenant is being moved or removed", remedy="Try again in a moment")
    if error.sqlstate == _UNFOUNDED:
        return ConflictError("The database refused", why=f"{error.diag.message_primary}")
    why = str(error).splitlines()[0]
    if isinstance(error, _ASTRAY):
        return DatabaseUnavailableError(
            "The schema of this release is not in the database",
            why=why,
            remedy="Restore it from a backup, or start Ragstone again, which brings the database to its schema",
        )
    return DatabaseError("The database refused", why=why)


# What the database says of a tenant that is not where somebody believes it to be, and of what must not be done there.
_UNSETTLED, _UNFOUNDED = "RS002", "RS003"

# What a database says whose schema was dropped, or is just being restored.
_ASTRAY = (
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
)

# What a value can be to blame for. A violated NOT NULL is our own mistake and stays what it is.
_UNFIT = (
    psycopg.DataError,
    psycopg.errors.CheckViolation,
    psycopg.errors.UniqueViolation,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.ProgramLimitExceeded,
    UnicodeEncodeError,  # half of a surrogate pair; from the driver
)


def _unfit(error: Exception) -> RagstoneError:
    """The error of a value that the database cannot take, or not beside what is there."""
    if isinstance(error, psycopg.IntegrityError) and not isinstance(error, psycopg.errors.CheckViolation):
        return ConcurrentChangeError(
            "Something else was changed at the same moment",
            why=f"this breaks {error.diag.constraint_name}",
            remedy="Look again and repeat it",
        )
    if isinstance(error, psycopg.errors.ProgramLimitExceeded):
        return InvalidRequestError(
            "The database cannot store a value", why="it is too long", remedy="Send a shorter one"
        )
    return InvalidRequestError("The database cannot store or compare a value", why=str(error).splitlines()[0])


ENTER = b"""SELECT enter(
  %(tenant)s, %(actor)s::text, %(readers)s::text[], %(reads_all)s::boolean, %(request)s::text, %(shard)s)"""


# The same for work that does not depend on where a tenant's contents are.
ATTEND = b"SELECT attend(%(tenant)s, %(actor)s::text, %(reads_all)s::boolean, %(request)s::text)"


def entering(asker: Asker) -> dict[str, object]:
    """The parameters of `ENTER`, which begins a transaction's work on an asker's behalf."""
    return {
        **scope(asker),
        "actor": asker.actor,
        "readers": list(asker.readers),
        "reads_all": asker.reads_all,
        "request": asker.request,
    }


def scope(asker: Asker) -> dict[str, object]:
    """What every statement names although the policies would add it: partitions are pruned by it."""
    return {"tenant": asker.tenant.id, "shard": asker.tenant.shard}
