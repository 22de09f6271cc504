"""Keys: what they may do, how long they last, how they are replaced, and that nobody gives away more than he has."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ragstone.access.grants import KeyRights
from ragstone.access.keys import new_key
from ragstone.bootstrap import everything
from ragstone.domain import Asker, Priority, Scope, SpendingLimits, Tenant
from ragstone.errors import ConflictError, NotFoundError, PermissionDeniedError
from ragstone.storage.database import Database
from ragstone.storage.pages import Excerpt
from ragstone.storage.tenancy.keys import Admission, add_key, admit, list_keys, revoke_key, rotate_key
from ragstone.storage.tenancy.people import groups_of, list_users, put_user, remove_user

pytestmark = pytest.mark.anyio

ADMIN = frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN})


async def holder(database: Database, asker: Asker, rights: KeyRights) -> Asker:
    """Whoever shows a new key with these rights."""
    key = new_key()
    await add_key(database, asker, key, rights)
    return (await admitted(database, key.hash)).asker


async def admitted(database: Database, key_hash: bytes) -> Admission:
    found = await admit(database, key_hash)
    assert found is not None
    return found


async def test_a_key_of_a_user_reads_as_that_user_and_follows_their_groups(database: Database, asker: Asker) -> None:
    await put_user(database, asker, "alice", ["hr", "hr", "eng"])
    key = new_key()
    await add_key(database, asker, key, KeyRights(frozenset({Scope.READ}), user="alice"))
    alice = (await admitted(database, key.hash)).asker
    assert (alice.actor, alice.readers) == ("user:alice", ("group:eng", "group:hr", "user:alice"))
    assert not alice.reads_all
    await put_user(database, asker, "alice", [])
    assert (await admitted(database, key.hash)).asker.readers == ("user:alice",)
    await remove_user(database, asker, "alice")
    assert await admit(database, key.hash) is None
    assert (await list_keys(database, asker, Excerpt())).items == ()


async def test_a_key_for_nobody_known_is_refused(database: Database, asker: Asker) -> None:
    with pytest.raises(NotFoundError, match="users set bob"):
        await add_key(database, asker, new_key(), KeyRights(ADMIN, user="bob"))
    with pytest.raises(NotFoundError):
        await remove_user(database, asker, "bob")
    assert await groups_of(database, asker, "bob") == ()


async def test_a_revoked_key_opens_nothing_from_the_next_request_on(database: Database, asker: Asker) -> None:
    key = new_key()
    public_id = await add_key(database, asker, key, KeyRights(ADMIN))
    await admitted(database, key.hash)
    await revoke_key(database, asker, public_id)
    assert await admit(database, key.hash) is None
    (listed,) = (await list_keys(database, asker, Excerpt())).items
    revoked_at = listed.revoked_at
    assert listed.state(datetime.now(UTC)) == "revoked"
    await revoke_key(database, asker, public_id)  # once more changes nothing
    (listed,) = (await list_keys(database, asker, Excerpt())).items
    assert listed.revoked_at == revoked_at


async def test_a_key_ends_at_its_time(database: Database, asker: Asker) -> None:
    key = new_key()
    ends = datetime.now(UTC) + timedelta(seconds=0.4)
    await add_key(database, asker, key, KeyRights(ADMIN, expires_at=ends))
    await admitted(database, key.hash)
    await asyncio.sleep(0.5)
    assert await admit(database, key.hash) is None
    (listed,) = (await list_keys(database, asker, Excerpt())).items
    assert listed.state(datetime.now(UTC)) == "expired"


async def test_a_rotated_key_opens_until_the_overlap_ends_and_the_new_one_has_its_rights(
    database: Database, asker: Asker
) -> None:
    await put_user(database, asker, "alice", [])
    former = new_key()
    rights = KeyRights(
        frozenset({Scope.READ}),
        "ci",
        "alice",
        Priority.BATCH,
        SpendingLimits(requests_per_minute=60, cost_per_month=0.29),
        datetime.now(UTC) + timedelta(days=90),
    )
    public_id = await add_key(database, asker, former, rights)
    new_id, key, renewed = await rotate_key(database, asker, public_id, timedelta(seconds=0.5))
    assert new_id != public_id
    assert (renewed.scopes, renewed.name, renewed.user) == ((Scope.READ,), "ci", "alice")
    assert (renewed.priority, renewed.limits) == (Priority.BATCH, rights.limits)
    assert renewed.expires_at is not None
    assert abs(renewed.expires_at - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    assert (await admitted(database, former.hash)).asker.actor == "user:alice"
    assert (await admitted(database, key.hash)).asker.priority is Priority.BATCH
    await asyncio.sleep(0.6)
    assert await admit(database, former.hash) is None
    await admitted(database, key.hash)
    with pytest.raises(ConflictError, match="expired"):
        await rotate_key(database, asker, public_id, timedelta(hours=1))


async def test_a_key_that_ends_before_the_overlap_does_ends_as_it_would(database: Database, asker: Asker) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=5)
    public_id = await add_key(database, asker, new_key(), KeyRights(ADMIN, expires_at=ends))
    await rotate_key(database, asker, public_id, timedelta(days=1))
    _, former = (await list_keys(database, asker, Excerpt())).items
    assert former.rights.expires_at == ends


async def test_keys_of_another_tenant_are_unknown(database: Database, asker: Asker) -> None:
    other = everything(await database.tenant(f"other than {asker.tenant.name}"), "test")
    public_id = await add_key(database, other, new_key(), KeyRights(ADMIN))
    for act in (
        revoke_key(database, asker, public_id),
        rotate_key(database, asker, public_id, timedelta(hours=1)),
        revoke_key(database, asker, "key_\0"),
    ):
        with pytest.raises(NotFoundError):
            await act
    assert (await list_keys(database, asker, Excerpt())).items == ()
    assert (await list_users(database, asker, Excerpt())).items == ()


async def test_a_limit_holds_exactly_when_many_ask_at_once(database: Database, asker: Asker) -> None:
    key = new_key()
    await add_key(database, asker, key, KeyRights(ADMIN, limits=SpendingLimits(requests_per_minute=7)))
    asked = await asyncio.gather(*(admitted(database, key.hash) for _ in range(40)))
    waits = sorted(admission.reached.wait_seconds if admission.reached else 0 for admission in asked)
    assert waits[:7] == [0] * 7
    assert all(0 < wait <= 60 / 7 for wait in waits[7:])


@pytest.mark.parametrize(
    ("own", "wanted", "reason"),
    [
        (ADMIN, KeyRights({Scope.IMPERSONATE}), "scope impersonate"),
        (ADMIN, KeyRights({Scope.READ, Scope.OPERATOR}), "operator"),
        (ADMIN | {Scope.OPERATOR}, KeyRights({Scope.OPERATOR}), "command line alone"),
        (frozenset({Scope.READ, Scope.ADMIN}), KeyRights({Scope.WRITE}), "scope write"),
        (ADMIN, KeyRights({Scope.ADMIN}), "without a user"),
        (ADMIN, KeyRights({Scope.READ}, user="bob"), "key of bob"),
    ],
)
async def test_a_user_s_administrator_key_makes_none_that_can_do_more(
    database: Database, asker: Asker, own: frozenset[Scope], wanted: KeyRights, reason: str
) -> None:
    for name in ("alice", "bob"):
        await put_user(database, asker, name, [])
    made = everything(asker.tenant, "command line")
    alice = await holder(database, made, KeyRights(own, user="alice"))
    before = (await list_keys(database, asker, Excerpt())).items
    with pytest.raises(PermissionDeniedError, match=reason):
        await add_key(database, alice, new_key(), wanted)
    assert (await list_keys(database, asker, Excerpt())).items == before


async def test_a_user_s_administrator_key_makes_what_reads_no_more_than_it_does(
    database: Database, asker: Asker
) -> None:
    await put_user(database, asker, "alice", [])
    alice = await holder(database, asker, KeyRights(ADMIN, user="alice"))
    assert (await holder(database, alice, KeyRights({Scope.READ, Scope.WRITE}))).reads_all is False
    assert (await holder(database, alice, KeyRights(ADMIN, user="alice"))).actor == "user:alice"


async def test_a_key_that_reads_everything_is_not_rotated_by_who_does_not(database: Database, asker: Asker) -> None:
    """Rotation shows a key as making one does."""
    await put_user(database, asker, "alice", [])
    alice = await holder(database, asker, KeyRights(ADMIN, user="alice"))
    machine = await add_key(database, asker, new_key(), KeyRights(ADMIN))
    with pytest.raises(PermissionDeniedError):
        await rotate_key(database, alice, machine, timedelta(hours=1))
    former = [key for key in (await list_keys(database, asker, Excerpt())).items if key.public_id == machine]
    assert former[0].rights.expires_at is None


async def test_a_key_of_a_lower_class_makes_none_of_a_better_one(database: Database, asker: Asker) -> None:
    slow = await holder(database, asker, KeyRights(ADMIN, priority=Priority.BATCH))
    with pytest.raises(PermissionDeniedError, match="interactive"):
        await add_key(database, slow, new_key(), KeyRights(ADMIN))
    assert (await holder(database, slow, KeyRights(ADMIN, priority=Priority.EVALUATION))).reads_all


async def test_a_key_with_limits_gets_none_with_higher_ones_by_rotating_another(
    database: Database, asker: Asker
) -> None:
    most = SpendingLimits(requests_per_day=50)
    own = new_key()
    own_id = await add_key(database, asker, own, KeyRights(ADMIN, limits=most))
    unlimited = await add_key(database, asker, new_key(), KeyRights({Scope.READ}))
    limited = (await admitted(database, own.hash)).asker
    with pytest.raises(PermissionDeniedError, match="50 requests per day"):
        await rotate_key(database, limited, unlimited, timedelta(hours=1))
    _, _, renewed = await rotate_key(database, limited, own_id, timedelta(hours=1))
    assert renewed.limits == most


@pytest.mark.parametrize("more", [timedelta(seconds=1), None])
async def test_a_key_that_ends_makes_none_that_lasts_longer(
    database: Database, asker: Asker, more: timedelta | None
) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    temporary = await holder(database, asker, KeyRights(ADMIN, expires_at=ends))
    later = None if more is None else ends + more
    with pytest.raises(PermissionDeniedError, match=f"your own ends at {ends:%Y-%m-%dT%H:%M:%SZ}"):
        await add_key(database, temporary, new_key(), KeyRights({Scope.READ}, expires_at=later))
    assert (await holder(database, temporary, KeyRights({Scope.READ}, expires_at=ends))).key_id


async def test_a_key_that_ends_renews_neither_itself_nor_one_that_lasts_longer(
    database: Database, asker: Asker
) -> None:
    now, own = datetime.now(UTC), new_key()
    own_id = await add_key(database, asker, own, KeyRights(ADMIN, expires_at=now + timedelta(hours=1)))
    eternal = await add_key(database, asker, new_key(), KeyRights(ADMIN))
    shorter = await add_key(database, asker, new_key(), KeyRights(ADMIN, expires_at=now + timedelta(minutes=5)))
    temporary = (await admitted(database, own.hash)).asker
    for renewed in (own_id, eternal):
        with pytest.raises(PermissionDeniedError, match="You cannot give away a key that"):
            await rotate_key(database, temporary, renewed, timedelta(hours=1))
    await rotate_key(database, temporary, shorter, timedelta(hours=1))


async def test_pages_of_keys_are_turned_by_their_ids(database: Database, asker: Asker, tenant: Tenant) -> None:
    ids = [await add_key(database, asker, new_key(), KeyRights(ADMIN, name=str(n))) for n in range(5)]
    first = await list_keys(database, asker, Excerpt(limit=2, newest_first=False))
    assert ([key.public_id for key in first.items], first.has_more) == (ids[:2], True)
    rest = await list_keys(database, asker, Excerpt(limit=9, newest_first=False, after=ids[1]))
    assert ([key.public_id for key in rest.items], rest.has_more) == (ids[2:], False)
