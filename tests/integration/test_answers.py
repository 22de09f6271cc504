"""Stored answers: who sees them, how long, and what workers make of those that wait."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import cast

import psycopg
import pytest
from contract.samples import one_by_one
from shape_samples import ANSWER

from ragstone.access.askers import machine, person
from ragstone.bootstrap import House, Session
from ragstone.domain import (
    EXTRACTIVE,
    Asker,
    Block,
    BlockKind,
    Chunk,
    Document,
    GroundingStatus,
    IndexedChunk,
    Priority,
    Question,
    Reading,
    Scope,
    Store,
    Strategy,
    Tenant,
    Usage,
)
from ragstone.errors import ClaimLostError, NotFoundError, RateLimitedError
from ragstone.fakes.chat import ScriptedChat
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows.kit import Kit
from ragstone.ports import ChatModel, Meter
from ragstone.storage.answers.kept import PostgresAnswers, Turn, forget_expired
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.work.queue import Claim, Kind, Queue
from ragstone.text import analyzer
from ragstone.worker.answers import Answering

pytestmark = pytest.mark.anyio

EMBEDDER = HashingEmbedder(64, "answers")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_workers = count()


@pytest.fixture
def alice(tenant: Tenant) -> Asker:
    return person(tenant, "alice", ["hr"], frozenset({Scope.READ}))


async def shelve(database: Database, asker: Asker, *texts: str, readers: Sequence[str] = ()) -> Store:
    """A store with these sentences, a document each."""
    library = PostgresLibrary(database, asker)
    store = await library.open_store("one", EMBEDDER.model)
    for text in texts:
        (vector,) = await EMBEDDER.embed_passages([text])
        chunk = IndexedChunk(Chunk(0, 0, len(text), text), vector, analyzer.term_counts(text))
        reading = Reading(text, (Block(BlockKind.PARAGRAPH, 0, len(text)),), "text/plain")
        document = Document(f"/{text}", "a.txt", secrets.token_bytes(32), "test", len(text), reading)
        await library.put(store, replace(document, readers=tuple(readers)), one_by_one([chunk]))
    return store


def turn(store: Store, text: str = "How long is the old key valid?", *, days: float = 1, **more: int) -> Turn:
    question = Question(text, (store,))
    settings = {"background": True, "metadata": {"a": "b"}}
    return Turn(
        f"resp_{secrets.token_hex(8)}", NOW, question, settings, ({"id": "msg_1"},), timedelta(days=days), **more
    )


async def test_a_kept_answer_comes_back_whole(database: Database, asker: Asker) -> None:
    answers, asked = PostgresAnswers(database, asker), turn(await shelve(database, asker))
    await answers.keep(asked, ANSWER, NOW)
    found = await answers.find(asked.public_id)
    assert (found.answer, found.status, found.completed_at, found.created_at) == (ANSWER, "completed", NOW, NOW)
    assert (found.asked, found.settings) == (asked.question.text, asked.settings)


async def test_an_answer_is_its_asker_s_alone_even_before_administrators(
    database: Database, asker: Asker, alice: Asker, tenant: Tenant
) -> None:
    asked = turn(await shelve(database, asker))
    await PostgresAnswers(database, alice).keep(asked, ANSWER, NOW)
    others = [
        person(tenant, "bob", ["hr"], frozenset(Scope)),
        machine(tenant, frozenset({Scope.READ})),
        machine(tenant, frozenset({Scope.ADMIN})),
        replace(alice, tenant=await database.tenant("somebody else's")),
    ]
    for other in others:
        answers = PostgresAnswers(database, other)
        for attempt in (answers.find, answers.status, answers.cancel, answers.delete):
            with pytest.raises(NotFoundError, match=f"There is no response {asked.public_id}"):
                await attempt(asked.public_id)
    assert (await PostgresAnswers(database, alice).find(asked.public_id)).answer == ANSWER


async def test_an_answer_whose_time_is_over_is_not_there_and_then_gone(
    database: Database, asker: Asker, server: EmbeddedServer, database_name: str
) -> None:
    answers, store = PostgresAnswers(database, asker), await shelve(database, asker)
    short, long = turn(store, days=-1), turn(store)
    for asked in (short, long):
        await answers.queue(asked)
    with pytest.raises(NotFoundError):
        await answers.find(short.public_id)
    assert await forget_expired(database) >= 1
    assert (await answers.find(long.public_id)).status == "queued"
    with psycopg.connect(server.admin_dsn(database_name)) as connection:
        left = "SELECT count(*) FROM ragstone.response WHERE tenant_id = %s"
        assert connection.execute(left.encode(), (asker.tenant.id,)).fetchone() == (1,)
        left = "SELECT count(*) FROM ragstone.task WHERE tenant_id = %s"
        assert connection.execute(left.encode(), (asker.tenant.id,)).fetchone() == (1,)


async def test_an_id_that_no_database_takes_is_unknown(database: Database, asker: Asker) -> None:
    with pytest.raises(NotFoundError):
        await PostgresAnswers(database, asker).find("resp_\0")


@dataclass(frozen=True)
class Rooms:
    """As much of a house as answering needs."""

    database: Database
    embedder: HashingEmbedder = EMBEDDER
    llm: ChatModel | None = None
    meter: Meter | None = None
    askers: list[Asker] = field(default_factory=list)  # for whom answers were made

    def session(self, asker: Asker) -> Session:
        return Session(self.database, asker)

    def kit(self, session: Session) -> Kit:
        self.askers.append(session.asker)
        return Kit(session.index, self.embedder, WordTokenizer(), self.llm, meter=self.meter)


class Purse:
    """A meter with nothing left, for so many seconds."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    async def reserve(self, _: Usage) -> object:
        raise RateLimitedError("The tokens of today are spent", retry_after=self.seconds)

    async def settle(self, _: object, __: Usage) -> None:
        raise AssertionError("nothing was reserved")


def queue_of(database: Database) -> Queue:
    return Queue(database, f"answers-{next(_workers)}", [Kind.ANSWER], lease=timedelta(seconds=30))


async def taken(queue: Queue, asker: Asker) -> Claim:
    """The asker's task; those of other tests' tenants are handed back."""
    claims = await queue.take(50)
    for claim in claims:
        if claim.tenant.id != asker.tenant.id:
            await queue.hand_back(claim)
    [claim] = [claim for claim in claims if claim.tenant.id == asker.tenant.id]
    return claim


def answering(database: Database) -> Answering:
    return Answering(cast("House", Rooms(database)))


KEY = "The old signing key stays valid for one more week."
QUESTION = "How long does the old signing key stay valid?"


async def test_a_worker_answers_with_what_the_asker_may_read(
    database: Database, asker: Asker, alice: Asker, tenant: Tenant
) -> None:
    store = await shelve(database, asker, KEY, readers=["group:hr"])
    bob = person(tenant, "bob", [], frozenset({Scope.READ}))
    for someone, status in ((alice, GroundingStatus.SUPPORTED), (bob, GroundingStatus.INSUFFICIENT_EVIDENCE)):
        answers, asked = PostgresAnswers(database, someone), turn(store, QUESTION)
        await answers.queue(asked)
        assert await answers.status(asked.public_id) == "queued"
        claim = await taken(queue_of(database), asker)
        assert "a response" in await answering(database)(claim)
        found = await answers.find(asked.public_id)
        assert found.status == "completed"
        assert found.completed_at is not None
        assert found.answer is not None
        assert found.answer.status is status
        assert (KEY in found.answer.text) is (someone is alice)


async def test_a_worker_has_a_model_answer_at_the_expense_of_the_key_that_asked(
    database: Database, asker: Asker, alice: Asker
) -> None:
    store = await shelve(database, asker, KEY)
    whose = replace(alice, key_id="key_1")
    answers, asked = PostgresAnswers(database, whose), turn(store, QUESTION)
    await answers.queue(asked)
    rooms = Rooms(database, llm=ScriptedChat(f"{KEY} [1]"))
    await Answering(cast("House", rooms))(await taken(queue_of(database), asker))
    assert [(someone.actor, someone.key_id) for someone in rooms.askers] == [("user:alice", "key_1")]
    made = (await answers.find(asked.public_id)).answer
    assert made is not None
    assert (made.text, made.provenance.model, made.provenance.strategy) == (KEY, "scripted", Strategy.DIRECT)
    assert made.provenance.prompt.startswith("direct@")
    assert made.provenance.usage.calls >= 1


async def test_an_answer_that_cannot_be_stored_fails_and_is_not_paid_for_again(
    database: Database, asker: Asker
) -> None:
    store = await shelve(database, asker, KEY)
    answers, asked = PostgresAnswers(database, asker), turn(store, QUESTION)
    await answers.queue(asked)
    llm = ScriptedChat(f"{KEY} [1]", price=float("nan"))  # which PostgreSQL's JSON does not have
    said = await Answering(cast("House", Rooms(database, llm=llm)))(await taken(queue_of(database), asker))
    assert "cannot be stored" in said
    assert len(llm.requests) == 1
    found = await answers.find(asked.public_id)
    assert (found.status, found.error_code) == ("failed", "server_error")
    assert "The answer cannot be stored" in str(found.error_message)
    async with database.transaction(asker) as connection:
        cursor = await connection.execute("SELECT count(*) FROM task WHERE tenant_id = %s", (asker.tenant.id,))
        assert await cursor.fetchone() == (0,)


async def test_the_documents_own_words_are_given_in_the_background_too(database: Database, asker: Asker) -> None:
    store = await shelve(database, asker, KEY)
    answers, asked = PostgresAnswers(database, asker), turn(store, QUESTION)
    await answers.queue(replace(asked, settings={**asked.settings, "model": EXTRACTIVE}))
    llm = ScriptedChat("I should not be asked.")
    await Answering(cast("House", Rooms(database, llm=llm)))(await taken(queue_of(database), asker))
    assert llm.requests == []
    assert (await answers.find(asked.public_id)).status == "completed"


async def test_what_cannot_be_paid_for_today_fails_and_by_the_minute_is_tried_again(
    database: Database, asker: Asker
) -> None:
    store = await shelve(database, asker, KEY)
    answers, asked = PostgresAnswers(database, asker), turn(store, QUESTION)
    await answers.queue(asked)
    claim = await taken(queue_of(database), asker)
    poor = [cast("House", Rooms(database, llm=ScriptedChat("x"), meter=Purse(seconds))) for seconds in (60, 50_000)]
    with pytest.raises(RateLimitedError):
        await Answering(poor[0])(claim)
    await Answering(poor[1])(claim)
    found = await answers.find(asked.public_id)
    assert (found.status, found.error_code) == ("failed", "rate_limit_exceeded")
    assert found.error_message == "The tokens of today are spent"


async def test_an_answer_survives_the_death_of_its_worker(database: Database, asker: Asker) -> None:
    store = await shelve(database, asker, KEY)
    answers, asked = PostgresAnswers(database, asker), turn(store, QUESTION)
    await answers.queue(asked)
    lost = await taken(queue_of(database), asker)
    async with database.transaction(asker) as connection:
        await connection.execute("UPDATE task SET lease_until = now() - interval '1 second'")
    await answering(database)(await taken(queue_of(database), asker))
    made = (await answers.find(asked.public_id)).answer
    assert made is not None

    with pytest.raises(ClaimLostError):
        await answering(database)(lost)
    assert (await answers.find(asked.public_id)).answer == made


async def test_a_cancelled_answer_is_not_made(database: Database, asker: Asker) -> None:
    store = await shelve(database, asker, KEY)
    answers = PostgresAnswers(database, asker)
    waiting, begun = turn(store, QUESTION), turn(store, QUESTION)
    for asked in (waiting, begun):
        await answers.queue(asked)
        if asked is waiting:
            assert (await answers.cancel(waiting.public_id)).status == "cancelled"
    claim = await taken(queue_of(database), asker)  # of the second, the first waits no more
    assert (await answers.cancel(begun.public_id)).status == "cancelled"
    with pytest.raises(ClaimLostError):
        await answering(database)(claim)
    assert (await answers.find(begun.public_id)).answer is None
    assert (await answers.cancel(begun.public_id)).status == "cancelled"


async def test_a_deleted_answer_takes_its_task_along(database: Database, asker: Asker) -> None:
    answers, asked = PostgresAnswers(database, asker), turn(await shelve(database, asker, KEY), QUESTION)
    await answers.queue(asked)
    claim = await taken(queue_of(database), asker)
    await answers.delete(asked.public_id)
    with pytest.raises(ClaimLostError):
        await answering(database)(claim)


async def test_a_finished_answer_cannot_be_cancelled(database: Database, asker: Asker) -> None:
    answers, asked = PostgresAnswers(database, asker), turn(await shelve(database, asker))
    await answers.keep(asked, ANSWER, NOW)
    assert (await answers.cancel(asked.public_id)).status == "completed"


async def test_what_cannot_be_answered_fails_with_its_reason_and_is_not_tried_again(
    database: Database, asker: Asker
) -> None:
    answers, store = PostgresAnswers(database, asker), await shelve(database, asker, KEY)
    asked = turn(replace(store, public_id="vs_gone"), QUESTION)
    await answers.queue(asked)
    queue = queue_of(database)
    await answering(database)(await taken(queue, asker))
    found = await answers.find(asked.public_id)
    assert (found.status, found.error_code) == ("failed", "invalid_prompt")
    assert "There is no store vs_gone" in (found.error_message or "")
    assert not [claim for claim in await queue.take(50) if claim.tenant.id == asker.tenant.id]


async def test_what_was_given_up_says_why(database: Database, asker: Asker) -> None:
    answers, asked = PostgresAnswers(database, asker), turn(await shelve(database, asker))
    await answers.queue(asked)
    queue = queue_of(database)
    await queue.bury(await taken(queue, asker), "the model is away")
    found = await answers.find(asked.public_id)
    assert (found.status, found.error_code, found.error_message) == ("failed", "server_error", "the model is away")


async def test_a_background_answer_goes_in_the_class_of_its_key(
    database: Database, asker: Asker, server: EmbeddedServer, database_name: str
) -> None:
    store = await shelve(database, asker)
    await PostgresAnswers(database, replace(asker, priority=Priority.EVALUATION)).queue(turn(store))
    with psycopg.connect(server.admin_dsn(database_name)) as connection:
        query = b"SELECT priority FROM ragstone.task WHERE tenant_id = %s"
        assert connection.execute(query, (asker.tenant.id,)).fetchone() == (2,)
