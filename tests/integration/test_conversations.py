"""Conversations: turns that go on from each other, and the items that the last one was made from."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from contract.samples import MODEL
from shape_samples import ANSWER

from ragstone.access.askers import person
from ragstone.domain import Answer, Asker, Message, Question, Role, Scope, Store, Tenant
from ragstone.errors import InvalidRequestError, NotFoundError, PromptTooLongError
from ragstone.storage.answers import making
from ragstone.storage.answers.kept import Past, PostgresAnswers, Turn
from ragstone.storage.database import Database
from ragstone.storage.embedded import EmbeddedServer
from ragstone.storage.pages import Excerpt
from ragstone.storage.work.queue import Kind, Queue

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORE = Store(1, "vs_1", "one", MODEL, "english", NOW)
ALL = 2**20  # bytes, more than any of these conversations has


@pytest.fixture
def alice(tenant: Tenant) -> Asker:
    return person(tenant, "alice", ["hr"], frozenset({Scope.READ}))


@pytest.fixture
def answers(database: Database, alice: Asker) -> PostgresAnswers:
    return PostgresAnswers(database, alice)


def turn(*texts: str, previous: int | None = None, history: Sequence[Message] = ()) -> Turn:
    items = tuple({"id": f"msg_{secrets.token_hex(4)}", "content": text} for text in texts)
    question = Question(texts[-1], (STORE,), history=tuple(history))
    return Turn(f"resp_{secrets.token_hex(8)}", NOW, question, {"a": 1}, items, timedelta(days=1), previous)


async def last(answers: PostgresAnswers, public_id: str) -> Past:
    return (await answers.conversation(public_id, ALL, cut=True))[-1]


async def told(answers: PostgresAnswers, *turns: Turn, answer: Answer = ANSWER) -> list[str]:
    """Keeps the turns, each behind the one before it; returns their ids."""
    previous: int | None = None
    for asked in turns:
        await answers.keep(replace(asked, previous=previous), answer, NOW)
        previous = (await last(answers, asked.public_id)).id
    return [asked.public_id for asked in turns]


async def questions(answers: PostgresAnswers, public_id: str, most: int = ALL, *, cut: bool = False) -> list[str]:
    past = await answers.conversation(public_id, most, cut=cut)
    return [str(item["content"]) for found in past for item in found.items]


async def test_a_conversation_is_told_from_its_beginning(answers: PostgresAnswers) -> None:
    ids = await told(answers, turn("0?"), turn("1?"), turn("2?"))
    past = await answers.conversation(ids[-1], ALL, cut=False)
    assert [[item["content"] for item in found.items] for found in past] == [["0?"], ["1?"], ["2?"]]
    assert [found.answer for found in past] == [ANSWER.text] * 3

    await answers.delete(ids[1])
    assert await questions(answers, ids[2]) == ["2?"]
    assert (await answers.find(ids[0])).asked == "0?"


async def test_who_has_left_a_group_is_not_told_again_what_was_in_its_documents(
    database: Database, answers: PostgresAnswers, alice: Asker
) -> None:
    [first] = await told(answers, turn("First?"))
    second = turn("Second?", previous=(await last(answers, first)).id)
    former = PostgresAnswers(database, replace(alice, readers=("user:alice",)))
    await former.keep(second, ANSWER, NOW)
    for attempt in (former.find(first), former.conversation(first, ALL, cut=True)):
        with pytest.raises(NotFoundError):
            await attempt
    assert await questions(former, second.public_id) == ["Second?"]
    assert await questions(answers, second.public_id) == ["First?", "Second?"]
    assert len((await former.input_items(second.public_id, Excerpt(), ALL)).items) == 1
    assert len((await answers.input_items(second.public_id, Excerpt(), ALL)).items) == 4


async def test_a_conversation_is_its_asker_s_alone(
    database: Database, answers: PostgresAnswers, tenant: Tenant
) -> None:
    [first] = await told(answers, turn("First?"))
    bob = PostgresAnswers(database, person(tenant, "bob", ["hr"], frozenset(Scope)))
    for attempt in (bob.conversation(first, ALL, cut=True), bob.input_items(first, Excerpt(after="msg_x"), ALL)):
        with pytest.raises(NotFoundError, match=f"There is no response {first}"):
            await attempt


async def test_a_conversation_that_is_too_long_is_refused_or_cut_to_its_newest_turns(answers: PostgresAnswers) -> None:
    ids = await told(answers, *(turn(f"{number} {'x' * 10_000}") for number in range(4)))
    with pytest.raises(PromptTooLongError, match=r"more than 25,000 bytes\. .*truncation"):
        await answers.conversation(ids[-1], 25_000, cut=False)
    left = await questions(answers, ids[-1], 25_000, cut=True)
    assert [text[0] for text in left] == ["2", "3"]
    # Even if nothing of the last turn is left, the next one goes on from it.
    [only] = await answers.conversation(ids[-1], 5_000, cut=True)
    assert (only.items, only.answer) == ((), None)
    assert only.id == (await last(answers, ids[-1])).id


async def test_each_turn_is_stored_once_however_long_the_conversation_before_it_is(
    database: Database, server: EmbeddedServer, database_name: str, answers: PostgresAnswers, alice: Asker
) -> None:
    history = [Message(Role.USER, "x" * 10_000)]
    kept, made = turn("Kept?", history=history), turn("Made by a worker?", history=history)
    await told(answers, kept)
    await answers.queue(made)
    queue = Queue(database, "conversations", [Kind.ANSWER], lease=timedelta(seconds=30))
    [claim] = [claim for claim in await queue.take(50) if claim.tenant.id == alice.tenant.id]
    assert (await making.begin(database, claim)).question.history == tuple(history)
    await making.finish(database, claim, ANSWER)
    for asked in (kept, made):
        assert (await answers.find(asked.public_id)).asked == asked.question.text
    with psycopg.connect(server.admin_dsn(database_name)) as connection:
        query = b"SELECT max(octet_length(request::text)) FROM ragstone.response WHERE tenant_id = %s"
        [longest] = connection.execute(query, (alice.tenant.id,)).fetchone() or [0]
    assert 0 < longest < 1000


async def pages(answers: PostgresAnswers, public_id: str, *, newest_first: bool, limit: int) -> list[str]:
    """The ids of all items, page by page."""
    ids: list[str] = []
    more = True
    while more:
        excerpt = Excerpt(limit, newest_first=newest_first, after=ids[-1] if ids else None)
        page = await answers.input_items(public_id, excerpt, ALL)
        assert len(page.items) == limit or not page.has_more
        ids += [item.public_id for item in page.items]
        more = page.has_more
    return ids


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_the_items_are_the_whole_conversation_without_the_last_answer_in_both_orders(
    answers: PostgresAnswers, limit: int
) -> None:
    turns = [turn("a", "b"), turn("c"), turn("d", "e", "f")]
    first, second, third = await told(answers, *turns)
    given = [[str(item["id"]) for item in asked.items] for asked in turns]
    made = [[f"{kind}_{name.removeprefix('resp_')}" for kind in ("fs", "msg")] for name in (first, second)]
    expected = [*given[0], *made[0], *given[1], *made[1], *given[2]]
    assert await pages(answers, third, newest_first=False, limit=limit) == expected
    assert await pages(answers, third, newest_first=True, limit=limit) == expected[::-1]


async def test_an_item_is_as_it_was_sent_or_comes_with_the_answer_that_put_it_out(answers: PostgresAnswers) -> None:
    asked = turn("First?")
    _, second = await told(answers, asked, turn("Second?"))
    given, searched, said, _ = (await answers.input_items(second, Excerpt(newest_first=False), ALL)).items
    assert (given.given, given.source) == (asked.items[0], None)
    for item in (searched, said):
        assert item.given is None
        assert item.source is not None
        assert (item.source.public_id, item.source.asked) == (asked.public_id, "First?")
        assert item.source.answer == replace(ANSWER, nearest=())


async def test_a_turn_that_was_not_answered_put_nothing_out(answers: PostgresAnswers) -> None:
    waiting = turn("Waiting?")
    await answers.queue(waiting)
    second = turn("Second?", previous=(await last(answers, waiting.public_id)).id)
    await answers.keep(second, ANSWER, NOW)
    ids = await pages(answers, second.public_id, newest_first=False, limit=9)
    assert ids == [waiting.items[0]["id"], second.items[0]["id"]]


async def test_the_items_of_a_cut_conversation_are_those_that_were_read(answers: PostgresAnswers) -> None:
    ids = await told(answers, *(turn(f"{number} {'x' * 10_000}") for number in range(4)))
    page = await answers.input_items(ids[-1], Excerpt(newest_first=False), 25_000)
    texts = [str(item.given["content"]) for item in page.items if item.given]
    assert [text[0] for text in texts] == ["1", "2", "3"]


@pytest.mark.parametrize("after", ["msg_x", "msg_\0", ""])
async def test_an_item_of_another_list_is_no_place_to_go_on_from(answers: PostgresAnswers, after: str) -> None:
    [first] = await told(answers, turn("First?"))
    with pytest.raises(InvalidRequestError, match="There is no item") as caught:
        await answers.input_items(first, Excerpt(after=after), ALL)
    assert caught.value.param == "after"
