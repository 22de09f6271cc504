"""Who gets which task next, and what becomes of tasks whose worker is gone."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count

import psycopg
import pytest
from contract.samples import MODEL, Piece, document, indexed, one_by_one
from workload import Desk, make_database, open_desk, with_patience

from ragstone.bootstrap import everything
from ragstone.domain import Asker, Priority
from ragstone.errors import ClaimLostError, ConcurrentChangeError
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.work.assignments import assignment, fulfil
from ragstone.storage.work.queue import Claim, Kind, Queue, cancel, depths, requeue

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=30)
PIECES = [Piece("granite is hard", angle=10), Piece("marble is soft", angle=20)]
_numbers = count()


@pytest.fixture(scope="module")
def queue_database(server: EmbeddedServer, database_name: str) -> str:
    make_database(server, "queue_tests")
    return "queue_tests"


@pytest.fixture
async def database(anyio_backend: str, server: EmbeddedServer, queue_database: str) -> AsyncIterator[Database]:
    pool = Database(lambda: server.dsn(queue_database), size=4)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
def admin(server: EmbeddedServer, queue_database: str, database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.admin_dsn(queue_database), autocommit=True) as connection:
        connection.execute("SET search_path = ragstone, public")
        # Most tests take in the name of workers that hold no lock.
        with_patience(connection, "1 day")
        yield connection
        connection.execute("TRUNCATE task")


@pytest.fixture
async def desk(anyio_backend: str, database: Database, asker: Asker, admin: psycopg.Connection) -> Desk:
    return await open_desk(database, asker, MODEL)


@pytest.fixture
async def other(anyio_backend: str, database: Database, admin: psycopg.Connection) -> Desk:
    tenant = await database.tenant(f"another {next(_numbers)}")
    return await open_desk(database, everything(tenant, "test"), MODEL)


def queue(database: Database, worker: str = "worker", lease: timedelta = LEASE) -> Queue:
    return Queue(database, worker, [Kind.INGEST, Kind.ANSWER], lease=lease)


async def take_one(desk: Desk, worker: str = "worker") -> Claim:
    (claim,) = await queue(desk.database, worker).take(1)
    return claim


@pytest.fixture
def alive(server: EmbeddedServer, queue_database: str, database: Database) -> Iterator[psycopg.Connection]:
    """The connection of the worker `worker`, which holds its lock."""
    with psycopg.connect(server.dsn(queue_database), autocommit=True) as connection:
        connection.execute("SET ROLE ragstone_app")
        connection.execute("SET search_path = ragstone, public")
        connection.execute("SELECT pg_advisory_lock(worker_key('worker'))")
        yield connection


async def complete(desk: Desk, claim: Claim) -> None:
    wanted = await assignment(desk.database, claim)
    await fulfil(desk.database, claim, wanted, document("a.txt", PIECES), one_by_one(indexed(PIECES)))


# Who is next


async def test_tasks_of_a_tenant_are_taken_in_the_order_in_which_they_came(desk: Desk) -> None:
    documents = [await desk.hand_in(f"{number}.txt", b"x") for number in range(5)]
    taken = await queue(desk.database).take(3)
    assert [claim.subject_id for claim in taken] == documents[:3]
    assert [claim.attempt for claim in taken] == [1, 1, 1]
    assert [claim.subject_id for claim in await queue(desk.database).take(9)] == documents[3:]
    assert await queue(desk.database).take(1) == []


async def test_a_tenant_with_many_files_does_not_delay_the_one_of_another(desk: Desk, other: Desk) -> None:
    for number in range(50):
        await desk.hand_in(f"{number}.txt", b"x")
    running = await queue(desk.database).take(4)
    assert {claim.tenant for claim in running} == {desk.asker.tenant}
    wanted = await other.hand_in("one.txt", b"x")
    assert (await take_one(desk)).subject_id == wanted


async def test_what_is_taken_at_once_is_shared_among_tenants(desk: Desk, other: Desk) -> None:
    for tenant in (desk, other):
        for number in range(10):
            await tenant.hand_in(f"{number}.txt", b"x")
    taken = Counter(claim.tenant.name for claim in await queue(desk.database).take(6))
    assert set(taken.values()) == {3}


async def test_chance_decides_among_tenants_with_as_much_running(desk: Desk, other: Desk) -> None:
    first = set()
    for _ in range(40):
        for tenant in (desk, other):
            await tenant.enqueue(await tenant.attach(await tenant.upload("a.txt", b"x")))
        taken = await queue(desk.database).take(2)
        first.add(taken[0].tenant.name)
        for claim in taken:
            await queue(desk.database).fail(claim, "invalid_file", "")
    assert first == {desk.asker.tenant.name, other.asker.tenant.name}


async def test_a_better_class_of_priority_goes_first_even_with_more_running(desk: Desk, other: Desk) -> None:
    later = await desk.hand_in("later.txt", b"x", Priority.EVALUATION)
    batch = [await other.hand_in(f"{number}.txt", b"x") for number in range(2)]
    urgent = await other.hand_in("now.txt", b"x", Priority.INTERACTIVE)
    order = [(await take_one(desk)).subject_id for _ in range(4)]
    assert order == [urgent, *batch, later]


async def test_tasks_of_a_kind_that_a_worker_does_not_know_are_left(desk: Desk) -> None:
    await desk.hand_in("a.txt", b"x")
    assert await Queue(desk.database, "worker", [Kind.ANSWER], lease=LEASE).take(1) == []


async def test_taking_costs_the_same_with_two_hundred_thousand_waiting(
    desk: Desk, other: Desk, admin: psycopg.Connection
) -> None:
    admin.execute(
        "INSERT INTO task (tenant_id, kind, subject_id) SELECT %s, 'ingest', -n FROM generate_series(1, 200000) n",
        (desk.asker.tenant.id,),
    )
    for number in range(20):
        await other.hand_in(f"{number}.txt", b"x")
    times = []
    for _ in range(40):
        began = time.perf_counter()
        await take_one(desk)
        times.append(time.perf_counter() - began)
    # The quickest, because other work on the machine only adds; a read of the whole table takes ten times as long.
    assert min(times) < 0.005, [round(1000 * seconds, 1) for seconds in times]


# What ends a claim


async def test_a_completed_document_leaves_no_task(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    await complete(desk, await take_one(desk))
    assert await desk.status(wanted) == ("completed", None, None)
    assert await desk.ordinals(wanted) == [0, 1]
    assert await desk.tasks() == []


async def test_a_document_that_is_done_again_has_the_new_chunks_alone(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    await complete(desk, await take_one(desk))
    await desk.enqueue(wanted)
    await complete(desk, await take_one(desk))
    assert await desk.ordinals(wanted) == [0, 1]


async def test_whoever_lost_a_task_writes_nothing(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    slow = queue(desk.database, "slow", timedelta(seconds=-1))
    (lost,) = await slow.take(1)
    about = await assignment(desk.database, lost)
    new = await take_one(desk, "quick")
    assert new.attempt == lost.attempt + 1
    with pytest.raises(ClaimLostError):
        await fulfil(desk.database, lost, about, document("a.txt", PIECES), one_by_one(indexed(PIECES)))
    assert await desk.ordinals(wanted) == []
    for ending in (slow.fail(lost, "invalid_file", "no"), slow.retry(lost, "no", 1), slow.bury(lost, "no")):
        with pytest.raises(ClaimLostError):
            await ending
    with pytest.raises(ClaimLostError):
        await slow.hand_back(lost)
    with pytest.raises(ClaimLostError):
        await assignment(desk.database, lost)
    await complete(desk, new)
    assert await desk.ordinals(wanted) == [0, 1]


async def test_a_cancelled_document_is_never_written(desk: Desk) -> None:
    wanted, done = await desk.hand_in("a.txt", b"x"), await desk.hand_in("b.txt", b"x")
    claim = await take_one(desk)
    await complete(desk, await take_one(desk))
    about = await assignment(desk.database, claim)
    async with desk.database.transaction(desk.asker) as connection:
        assert await cancel(connection, desk.asker, [wanted, done]) == [wanted]
    with pytest.raises(ClaimLostError):
        await fulfil(desk.database, claim, about, document("a.txt", PIECES), one_by_one(indexed(PIECES)))
    assert (await desk.status(wanted))[0] == "cancelled"
    assert (await desk.status(done))[0] == "completed"
    assert await desk.tasks() == []


async def test_a_removed_document_takes_its_task_with_it(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    claim = await take_one(desk)
    about = await assignment(desk.database, claim)
    async with desk.database.transaction(desk.asker) as connection:
        await connection.execute("DELETE FROM document WHERE id = %s", (wanted,))
    assert await desk.tasks() == []
    with pytest.raises(ClaimLostError):
        await fulfil(desk.database, claim, about, document("a.txt", PIECES), one_by_one(indexed(PIECES)))


async def test_asking_again_takes_the_task_from_whoever_has_it(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    lost = await take_one(desk)
    await desk.enqueue(wanted)
    new = await take_one(desk)
    assert new.id == lost.id
    with pytest.raises(ClaimLostError):
        await complete(desk, lost)
    await complete(desk, new)


async def test_a_document_whose_readers_change_meanwhile_is_tried_again(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    claim = await take_one(desk)
    about = await assignment(desk.database, claim)
    async with desk.database.transaction(desk.asker) as connection:
        await connection.execute(
            "UPDATE document SET audience_id = audience_of('{user:alice}') WHERE id = %s", (wanted,)
        )
    with pytest.raises(ConcurrentChangeError):
        await fulfil(desk.database, claim, about, document("a.txt", PIECES), one_by_one(indexed(PIECES)))
    assert await desk.ordinals(wanted) == []
    await complete(desk, claim)
    assert await desk.ordinals(wanted) == [0, 1]


async def test_a_document_that_somebody_holds_is_tried_again_before_the_other_side_has_to_give_up(desk: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    claim = await take_one(desk)
    async with desk.database.transaction(desk.asker) as connection:
        await connection.execute("SELECT FROM task WHERE subject_id = %s FOR UPDATE", (wanted,))
        with pytest.raises(ConcurrentChangeError):
            await complete(desk, claim)
    await complete(desk, claim)


async def test_a_failure_that_may_pass_is_tried_again_when_its_time_has_come(desk: Desk) -> None:
    await desk.hand_in("a.txt", b"x")
    await queue(desk.database).retry(await take_one(desk), "the bucket is away", 0.2)
    assert await desk.tasks() == [("waiting", 1, 1, 0, "the bucket is away")]
    assert await queue(desk.database).take(1) == []
    time.sleep(0.25)
    claim = await take_one(desk)
    assert (claim.attempt, claim.failures) == (2, 1)


async def test_a_task_that_is_handed_back_is_free_at_once_and_has_not_failed(desk: Desk) -> None:
    await desk.hand_in("a.txt", b"x")
    await queue(desk.database).hand_back(await take_one(desk))
    assert await desk.tasks() == [("waiting", 1, 0, 0, None)]
    assert (await take_one(desk)).failures == 0


async def test_a_task_that_is_given_up_waits_as_a_dead_letter_until_it_is_asked_for(desk: Desk, other: Desk) -> None:
    wanted = await desk.hand_in("a.txt", b"x")
    await queue(desk.database).bury(await take_one(desk), "the bucket is away")
    assert await desk.status(wanted) == ("failed", "server_error", "the bucket is away")
    assert await queue(desk.database).take(1) == []
    assert [(d.state, d.tasks) for d in await depths(desk.database)] == [("dead", 1)]
    assert await requeue(desk.database, other.asker) == 0
    assert await requeue(desk.database, desk.asker) == 1
    assert await desk.status(wanted) == ("in_progress", None, None)
    await complete(desk, await take_one(desk))


# Workers that are gone


async def test_a_task_whose_lease_ran_out_is_free(desk: Desk, alive: psycopg.Connection) -> None:
    await desk.hand_in("a.txt", b"x")
    await queue(desk.database, lease=timedelta(seconds=0.1)).take(1)
    assert await queue(desk.database, "another").take(1) == []
    time.sleep(0.15)
    claim = await take_one(desk, "another")
    assert claim.attempt == 2
    assert await desk.tasks() == [("running", 2, 0, 1, "its worker ended")]


async def test_a_lease_that_is_extended_does_not_run_out(desk: Desk, alive: psycopg.Connection) -> None:
    await desk.hand_in("a.txt", b"x")
    (claim,) = await queue(desk.database, lease=timedelta(seconds=0.1)).take(1)

    def extend(worker: str, attempt: int) -> list[tuple[int]]:
        return alive.execute(
            "SELECT id FROM extend_leases(%s, %s, %s, %s, '30s')",
            (worker, [claim.tenant.id], [claim.id], [attempt]),
        ).fetchall()

    assert extend("worker", claim.attempt) == [(claim.id,)]
    assert extend("another", claim.attempt) == extend("worker", claim.attempt + 1) == []
    time.sleep(0.15)
    assert await queue(desk.database, "another").take(1) == []


async def test_the_tasks_of_a_worker_whose_lock_is_free_are_free_long_before_their_lease_ends(
    desk: Desk, alive: psycopg.Connection, admin: psycopg.Connection
) -> None:
    with_patience(admin, "0 seconds")
    await desk.hand_in("a.txt", b"x")
    await queue(desk.database).take(1)
    assert await queue(desk.database, "another").take(1) == []
    alive.close()
    # Whoever asks is not gone, whatever became of its lock.
    assert await queue(desk.database).take(1) == []
    assert (await take_one(desk, "another")).attempt == 2


async def test_free_locks_tell_nothing_right_after_a_start_of_the_database(
    desk: Desk, admin: psycopg.Connection
) -> None:
    await desk.hand_in("a.txt", b"x")
    await queue(desk.database).take(1)
    assert await queue(desk.database, "another").take(1) == []


async def test_free_locks_tell_nothing_right_after_a_promotion_or_a_crash(
    desk: Desk, admin: psycopg.Connection
) -> None:
    await desk.hand_in("a.txt", b"x")
    await queue(desk.database).take(1)
    # As such a server comes up, see `tests/acceptance/test_failover.py`; it started longer ago than its patience lasts.
    admin.execute("TRUNCATE lock_witness")
    up = admin.execute("SELECT (clock_timestamp() - pg_postmaster_start_time()) * 0.9").fetchone()
    assert up is not None
    with_patience(admin, f"{up[0].total_seconds()} seconds")
    assert await queue(desk.database, "another").take(1) == []
    admin.execute("UPDATE lock_witness SET since = pg_postmaster_start_time()")
    assert (await take_one(desk, "another")).attempt == 2


async def test_what_was_in_hand_at_three_ends_of_workers_is_given_up(desk: Desk) -> None:
    poison = await desk.hand_in("poison.txt", b"x")
    dying = queue(desk.database, "dying", timedelta(seconds=-1))
    for _ in range(3):
        assert [claim.subject_id for claim in await dying.take(1)] == [poison]
        await dying.take(0)  # the former one's is free
        await desk.hurry()
    assert await dying.take(1) == []
    status, code, message = await desk.status(poison)
    assert (status, code) == ("failed", "server_error")
    assert message is not None
    assert "3 times" in message
    assert (await desk.tasks())[0][:4] == ("dead", 3, 0, 3)


async def test_a_locked_document_holds_up_no_other_tenant(desk: Desk, other: Desk, admin: psycopg.Connection) -> None:
    doomed = await desk.hand_in("doomed.txt", b"x")
    await queue(desk.database, "dying", timedelta(seconds=-1)).take(1)
    await desk.count_deaths(2)
    innocent = await other.hand_in("innocent.txt", b"x")
    with admin.transaction():
        admin.execute("SELECT FROM document WHERE id = %s FOR UPDATE", (doomed,))
        async with asyncio.timeout(10):
            assert (await take_one(desk)).subject_id == innocent
        assert (await desk.status(doomed))[0] == "in_progress"
    assert await queue(desk.database).take(1) == []
    assert (await desk.status(doomed))[:2] == ("failed", "server_error")
    assert (await desk.tasks())[0][:4] == ("dead", 1, 0, 3)


async def test_a_task_of_nothing_is_buried_all_the_same(desk: Desk, admin: psycopg.Connection) -> None:
    columns = "tenant_id, kind, subject_id, state, worker, lease_until, deaths"
    task = f"INSERT INTO task ({columns}) VALUES (%s, 'ingest', -1, 'running', 'gone', now(), 2)"
    admin.execute(task.encode(), (desk.asker.tenant.id,))
    assert await queue(desk.database).take(1) == []
    assert (await desk.tasks())[0][0] == "dead"


async def test_the_application_frees_and_buries_nothing_by_itself(desk: Desk) -> None:
    for call in ("free_tasks('me')", "bury_task(1, 1, 'no')"):
        async with desk.database.connection() as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(f"SELECT {call}".encode())
