"""Where a tenant's contents can lie: beside others, in partitions of its own, or in a database of its own."""

from __future__ import annotations

from dataclasses import dataclass

from ragstone.domain import Tenant
from ragstone.errors import InvalidRequestError

SHARED_SHARDS = 16  # lower numbers are shared, the others belong to one tenant each
_OWN_PARTITION = "own-partition"
_OWN_DATABASE = "own-database:"
_SHARED = "shared"
_MAIN = "main"  # the same, as seen from a database of its own


@dataclass(frozen=True, slots=True)
class Placement:
    """A kind of place."""

    own_partition: bool = False
    database: str | None = None  # name of the tenant's own in the settings; None: the installation's

    @property
    def text(self) -> str:
        """As it is written: `shared`, `own-partition` or `own-database:NAME`."""
        if self.database is not None:
            return f"{_OWN_DATABASE}{self.database}"
        return _OWN_PARTITION if self.own_partition else _SHARED


def placement_of(text: str, param: str | None = None) -> Placement:
    """The placement that is written so.

    Raises:
        InvalidRequestError: There is none of that name.
    """
    if text in (_SHARED, _MAIN):
        return Placement()
    if text == _OWN_PARTITION:
        return Placement(own_partition=True)
    name = text.removeprefix(_OWN_DATABASE)
    if text.startswith(_OWN_DATABASE) and name:
        return Placement(database=name)
    raise InvalidRequestError(
        f"{text!r} is no placement", remedy=f"Write {_SHARED}, {_OWN_PARTITION} or {_OWN_DATABASE}NAME", param=param
    )


@dataclass(frozen=True, slots=True)
class Spot:
    """Exactly where rows lie."""

    shard: int
    database: str | None = None

    @property
    def placement(self) -> Placement:
        """What kind of place this is."""
        return Placement(self.shard >= SHARED_SHARDS, self.database)


def spot_of(tenant: Tenant) -> Spot:
    """Where a tenant is served from."""
    return Spot(tenant.shard, tenant.database)


def shared_shard(tenant: Tenant) -> int:
    """The shard that a tenant has where it is beside others."""
    return tenant.id % SHARED_SHARDS
