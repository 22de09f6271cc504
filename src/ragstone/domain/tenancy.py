"""Who asks, and for whom: tenants, and what somebody may see and do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of the installation: its rows are kept apart from all others by the database."""

    id: int
    name: str  # unique in the installation
    shard: int  # partition of its contents: 0 to 15 are shared, a higher one is its own
    database: str | None = None  # name of its own database in the settings; None: the installation's


class Scope(StrEnum):
    """What a key or a token may be used for."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"  # keys, users and the audit log of the tenant; without a user also every document
    IMPERSONATE = "impersonate"  # may name the user it acts for
    OPERATOR = "operator"  # tenants of the installation


class Priority(IntEnum):
    """Who goes first when there is more to do than can be done at once."""

    INTERACTIVE = 0
    BATCH = 1
    EVALUATION = 2


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf something is done, and so what can be seen of the documents."""

    tenant: Tenant
    actor: str  # user:alice, service, admin, worker or command line; the audit log names it
    readers: tuple[str, ...] = ()  # principals, such as user:alice and group:hr; a document names its readers so
    reads_all: bool = False  # every document of the tenant, whoever its readers are
    scopes: frozenset[Scope] = frozenset()
    key_id: str | None = None  # key_..., if a key was shown
    priority: Priority = Priority.INTERACTIVE  # the best class that may be claimed
    request: str = ""  # id of the HTTP request, for the audit log
