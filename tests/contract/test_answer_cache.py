"""What every cache of answers promises: the right answer, to whoever may have it, as long as it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

import pytest
from answer_samples import hit
from contract.samples import MODEL, Piece, direction, document, indexed, one_by_one
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragstone.domain import Answer, Asker, CacheOutcome, Citation, GroundingStatus, Remembered, Store, Vector
from ragstone.fakes.answer_cache import Answers, MemoryAnswerCache
from ragstone.fakes.memory import Memory, MemoryLibrary
from ragstone.ports import AnswerCache
from ragstone.storage.answers.remembered import PostgresAnswerCache
from ragstone.storage.contents.library import PostgresLibrary
from ragstone.storage.database import Database

pytestmark = pytest.mark.anyio

_numbers = count()

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
QUESTION = "How long does the old signing key stay valid?"
REWORDED = "How long do the old signing keys stay valid"
SIMILARITY = 0.9
SENTENCE = "The old signing key stays valid for one more week."
ANSWER = Answer(
    SENTENCE,
    GroundingStatus.SUPPORTED,
    (Citation("file_1", "a.md", 7, 3, ("Keys",), SENTENCE, 0, len(SENTENCE), len(SENTENCE), 0.9, verified=True),),
    (hit(SENTENCE),),
    {"search": 2.5, "total": 3.5},
    queries=("old signing key",),
    unsupported=((0, 3),),
)


class Place(Protocol):
    """Tenants, people and documents, with caches for them."""

    def cache(self, tenant: str, readers: Sequence[str] = ()) -> AnswerCache:
        """What this person of this tenant is answered from."""
        ...

    async def store(self, tenant: str, name: str) -> Store:
        """A store of the tenant."""
        ...

    async def put(self, tenant: str, store: Store, source: str, readers: Sequence[str] = ()) -> None:
        """A new version of a document, for these readers."""
        ...

    async def remove(self, tenant: str, store: Store, source: str) -> None:
        """A document less."""
        ...


@dataclass
class MemoryPlace:
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.answers = Answers(self.memory)

    def cache(self, tenant: str, readers: Sequence[str] = ()) -> AnswerCache:
        return MemoryAnswerCache(self.answers, tenant, readers, similarity=SIMILARITY)

    async def store(self, tenant: str, name: str) -> Store:
        return await MemoryLibrary(self.memory, tenant).open_store(name, MODEL)

    async def put(self, tenant: str, store: Store, source: str, readers: Sequence[str] = ()) -> None:
        pieces = [Piece(f"version {next(_numbers)}")]
        made = replace(document(source, pieces), readers=tuple(readers))
        await MemoryLibrary(self.memory, tenant).put(store, made, one_by_one(indexed(pieces)))

    async def remove(self, tenant: str, store: Store, source: str) -> None:
        await MemoryLibrary(self.memory, tenant).remove(store, [source])


@dataclass
class PostgresPlace:
    database: Database
    prefix: str
    tenants: dict[str, Asker] = field(default_factory=dict)

    async def asker(self, tenant: str) -> Asker:
        if tenant not in self.tenants:
            made = await self.database.tenant(f"{self.prefix} {tenant}")
            self.tenants[tenant] = Asker(made, "test", reads_all=True)
        return self.tenants[tenant]

    def cache(self, tenant: str, readers: Sequence[str] = ()) -> AnswerCache:
        asker = replace(self.tenants[tenant], readers=tuple(readers), reads_all=False)
        return PostgresAnswerCache(self.database, asker, similarity=SIMILARITY)

    async def store(self, tenant: str, name: str) -> Store:
        return await PostgresLibrary(self.database, await self.asker(tenant)).open_store(name, MODEL)

    async def put(self, tenant: str, store: Store, source: str, readers: Sequence[str] = ()) -> None:
        pieces = [Piece(f"version {next(_numbers)}")]
        made = replace(document(source, pieces), readers=tuple(readers))
        await PostgresLibrary(self.database, await self.asker(tenant)).put(store, made, one_by_one(indexed(pieces)))

    async def remove(self, tenant: str, store: Store, source: str) -> None:
        await PostgresLibrary(self.database, await self.asker(tenant)).remove(store, [source])


@pytest.fixture
def memory_place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def postgres_place(database: Database) -> PostgresPlace:
    return PostgresPlace(database, f"caches {next(_numbers)}")


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    chosen: Place = request.getfixturevalue(f"{request.param}_place")
    return chosen


def saying(text: str) -> Answer:
    return replace(ANSWER, text=text)


def told(found: Remembered) -> str | None:
    return None if found.answer is None else found.answer.text


async def kept(
    cache: AnswerCache,
    stores: Sequence[Store],
    text: str = "an answer",
    *,
    key: bytes = KEY,
    question: str = QUESTION,
    vector: Vector | None = None,
) -> None:
    """Looked for, and kept."""
    found = await cache.find(key, stores, question, vector)
    await cache.keep(key, found.versions, question, vector, saying(text))


async def test_an_answer_is_found_again_as_it_was_with_the_word_that_it_is_one(place: Place) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    cache = place.cache("a")
    assert (await cache.find(KEY, [store], QUESTION, None)).answer is None
    await kept(cache, [store])
    found = await cache.find(KEY, [store], QUESTION, None)
    marked = replace(ANSWER.provenance, cache=CacheOutcome.HIT)
    assert found.answer == replace(ANSWER, text="an answer", provenance=marked)


async def test_an_answer_that_is_kept_again_replaces_the_former(place: Place) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    await kept(place.cache("a"), [store], "first")
    await kept(place.cache("a"), [store], "second")
    assert told(await place.cache("a").find(KEY, [store], QUESTION, None)) == "second"


async def test_blanks_make_no_other_question_and_everything_else_does(place: Place) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    cache = place.cache("a")
    await kept(cache, [store])
    assert told(await cache.find(KEY, [store], f"  {QUESTION.replace(' ', chr(10), 1)} ", None)) == "an answer"
    for other in (QUESTION.lower(), QUESTION[:-1], QUESTION + "\0", "\ud800"):
        assert (await cache.find(KEY, [store], other, None)).answer is None


async def test_an_answer_from_an_empty_store_is_kept_until_there_is_something(place: Place) -> None:
    store = await place.store("a", "docs")
    cache = place.cache("a")
    await kept(cache, [store])
    assert told(await cache.find(KEY, [store], QUESTION, None)) == "an answer"
    await place.put("a", store, "/x")
    assert (await cache.find(KEY, [store], QUESTION, None)).answer is None


async def test_the_order_of_the_stores_is_no_matter_and_their_set_is(place: Place) -> None:
    one, two, three = [await place.store("a", name) for name in ("one", "two", "three")]
    for store in (one, two, three):
        await place.put("a", store, "/x")
    cache = place.cache("a")
    await kept(cache, [one, two])
    assert told(await cache.find(KEY, [two, one], QUESTION, None)) == "an answer"
    for others in ([one], [two], [one, three], [one, two, three]):
        assert (await cache.find(KEY, others, QUESTION, None)).answer is None


@pytest.mark.parametrize("what", ["another", "again", "removed"])
async def test_a_change_makes_former_answers_unfindable(place: Place, what: str) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    cache = place.cache("a")
    await kept(cache, [store])
    if what == "removed":
        await place.remove("a", store, "/x")
    else:
        await place.put("a", store, "/y" if what == "another" else "/x")
    assert (await cache.find(KEY, [store], QUESTION, None)).answer is None


async def test_a_change_of_another_store_or_tenant_takes_nothing_away(place: Place) -> None:
    store, beside, foreign = await place.store("a", "one"), await place.store("a", "two"), await place.store("b", "one")
    for tenant, changed in (("a", store), ("a", beside), ("b", foreign)):
        await place.put(tenant, changed, "/x")
    await kept(place.cache("a"), [store])
    await place.put("a", beside, "/y")
    await place.put("b", foreign, "/y")
    assert told(await place.cache("a").find(KEY, [store], QUESTION, None)) == "an answer"


async def test_an_answer_that_was_looked_for_before_a_change_is_not_found_behind_it(place: Place) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    cache = place.cache("a")
    before = await cache.find(KEY, [store], QUESTION, None)
    await place.put("a", store, "/x")
    await cache.keep(KEY, before.versions, QUESTION, None, saying("from the former text"))
    assert (await cache.find(KEY, [store], QUESTION, None)).answer is None


async def test_a_question_that_means_the_same_is_answered_with_its_twin_s_answer(place: Place) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    cache = place.cache("a")
    await kept(cache, [store], vector=direction(0))
    near = await cache.find(KEY, [store], REWORDED, direction(20))
    assert near.answer is not None
    assert near.answer.provenance.cache is CacheOutcome.SEMANTIC_HIT
    equal = await cache.find(KEY, [store], QUESTION, direction(20))
    assert equal.answer is not None
    assert equal.answer.provenance.cache is CacheOutcome.HIT


@pytest.mark.parametrize(
    ("question", "angle"),
    [
        (REWORDED, 30),  # its cosine is .87
        ("How long does the new signing key stay valid?", 0),
        ("How long does the old signing key not stay valid?", 0),
        ("Why does the old signing key stay valid?", 0),
    ],
)
async def test_a_question_that_is_too_far_or_says_something_else_is_not(
    place: Place, question: str, angle: float
) -> None:
    store = await place.store("a", "docs")
    await place.put("a", store, "/x")
    cache = place.cache("a")
    await kept(cache, [store], vector=direction(0))
    assert (await cache.find(KEY, [store], question, direction(angle))).answer is None
    assert (await cache.find(KEY, [store], REWORDED, None)).answer is None


async def test_a_similar_question_is_looked_for_only_among_what_is_true_and_one_s_own(place: Place) -> None:
    store, beside, foreign = await place.store("a", "one"), await place.store("a", "two"), await place.store("b", "one")
    await place.put("a", store, "/x")
    await place.put("a", store, "/hr", ("group:hr",))
    cache = place.cache("a", ("user:alice", "group:hr"))
    await kept(cache, [store], vector=direction(0))
    elsewhere = (
        (place.cache("a", ("user:bob",)), KEY, store),
        (place.cache("b"), KEY, foreign),
        (cache, OTHER_KEY, store),
        (cache, KEY, beside),
    )
    for other, key, searched in elsewhere:
        assert (await other.find(key, [searched], REWORDED, direction(0))).answer is None
    await place.put("a", store, "/y")
    assert (await cache.find(KEY, [store], REWORDED, direction(0))).answer is None


# ---------------------------------------------------------------- whoever asks, whatever happens before


PEOPLE = ((), ("user:alice", "group:hr"), ("user:bob", "group:hr"), ("user:carol",))
TENANTS, NAMES, KEYS = ("a", "b"), ("one", "two"), (KEY, OTHER_KEY)
QUESTIONS = ("Which keys are old?", "Which keys are new?")
SOURCES = {"/open": (), "/hr": ("group:hr",), "/carol": ("user:carol",)}


@dataclass(frozen=True)
class Asking:
    """Somebody asks, and keeps what he was answered."""

    tenant: str
    readers: Sequence[str]
    names: tuple[str, ...]
    key: bytes
    question: str


@dataclass(frozen=True)
class Change:
    """A document gets another version, or goes."""

    tenant: str
    name: str
    source: str
    goes: bool


ASKING = st.builds(
    Asking,
    st.sampled_from(TENANTS),
    st.sampled_from(PEOPLE),
    st.sampled_from([("one",), ("two",), ("one", "two")]),
    st.sampled_from(KEYS),
    st.sampled_from(QUESTIONS),
)
CHANGE = st.builds(
    Change, st.sampled_from(TENANTS), st.sampled_from(NAMES), st.sampled_from(sorted(SOURCES)), st.booleans()
)


@given(steps=st.lists(st.one_of(ASKING, ASKING, ASKING, CHANGE), max_size=30))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_answer_crosses_tenant_readers_stores_state_or_what_decided_it(
    place: Place, steps: Sequence[Asking | Change]
) -> None:
    """Every answer says what it was made from: what is found has to have been made from just that."""
    run = next(_numbers)
    stores = {(tenant, name): await place.store(tenant, f"{name} {run}") for tenant in TENANTS for name in NAMES}
    held: dict[tuple[str, str, str], int] = {}  # version of each document
    for number, step in enumerate(steps):
        if isinstance(step, Change):
            where = (step.tenant, step.name, step.source)
            store = stores[step.tenant, step.name]
            if step.goes:
                await place.remove(step.tenant, store, step.source)
                held.pop(where, None)
            else:
                await place.put(step.tenant, store, step.source, SOURCES[step.source])
                held[where] = number
            continue
        searched = [stores[step.tenant, name] for name in step.names]
        cache = place.cache(step.tenant, step.readers)
        truth = repr((step.tenant, sorted(step.names), step.key, step.question, visible(step, held)))
        found = await cache.find(step.key, searched, step.question, direction(0))
        assert told(found) in {None, truth}
        # Whoever asks again is answered again.
        if told(found) is None:
            await cache.keep(step.key, found.versions, step.question, direction(0), saying(truth))
            assert told(await cache.find(step.key, searched, step.question, None)) == truth


def visible(asking: Asking, held: dict[tuple[str, str, str], int]) -> list[tuple[str, str, int]]:
    """Every document that can be read, in its version."""
    return sorted(
        (name, source, version)
        for (tenant, name, source), version in held.items()
        if tenant == asking.tenant
        and name in asking.names
        and (not SOURCES[source] or set(SOURCES[source]) & set(asking.readers))
    )
