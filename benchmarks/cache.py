"""What a hit takes, what a miss and the count of changes cost, and how often the semantic cache is right.

python benchmarks/cache.py [--chunks 2000] [--part answers writes similar]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import corpus
import numpy as np
import paraphrases
import psycopg

from ragstone.bootstrap import DATABASE, House, Session, embedded_server, open_house
from ragstone.domain import CacheOutcome, Question, Store
from ragstone.fakes.models import HashingEmbedder
from ragstone.flows.ask import ask
from ragstone.flows.kit import Kit
from ragstone.flows.recall import decided, recall
from ragstone.models.minilm.embedder import MiniLM
from ragstone.settings import Settings
from ragstone.storage.answers.remembered import PostgresAnswerCache
from ragstone.storage.answers.vectors import RememberingEmbedder
from ragstone.storage.answers.written import answer_text

T = TypeVar("T")

KEY = b"k" * 32
WRITERS = (1, 8)
ROUNDS = 6
DOCUMENTS = 80
PARTS = ("answers", "writes", "similar")
# What stands against the count: one row for each store that every writer updates.
HOT_ROW = """
CREATE TABLE ragstone.hot (store_id bigint PRIMARY KEY, version bigint);
INSERT INTO ragstone.hot SELECT id, 0 FROM ragstone.store;
CREATE FUNCTION ragstone.raise_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  UPDATE ragstone.hot SET version = version + 1 WHERE store_id IN (SELECT store_id FROM latter WHERE version_id > 0);
  RETURN NULL;
END $$;
CREATE TRIGGER hot AFTER UPDATE ON ragstone.document REFERENCING NEW TABLE AS latter
  FOR EACH STATEMENT EXECUTE FUNCTION ragstone.raise_version();
"""
COUNTS = ("count_added", "count_changed", "count_removed")
WAYS = {"a row added for each change": COUNTS, "not counted": (), "one row that all update": ("hot",)}


async def timed(one: Callable[[T], Awaitable[object]], each: Iterable[T]) -> list[float]:
    """Milliseconds of each, one after the other."""
    taken = []
    for what in each:
        began = time.perf_counter()
        await one(what)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def row(name: str, taken: Sequence[float]) -> str:
    """Median and 95th percentile of a table's row."""
    return f"| {name} | {len(taken)} | {statistics.median(taken):.2f} | {statistics.quantiles(taken, n=20)[18]:.2f} |"


async def answers(house: House, session: Session, store: Store) -> list[str]:
    """What an answer takes without the cache, when it is missed, and when it is found."""
    kit = house.kit(session)
    asked = [Question(text, (store,)) for text in corpus.questions()]
    bypass = replace(asked[0].options, cached=False)
    assert kit.cache is not None
    for question in asked[:20]:
        await ask(replace(question, options=bypass), kit)

    async def expecting(question: Question, kit: Kit, outcome: CacheOutcome) -> None:
        found = await ask(question, kit)
        assert found.provenance.cache is outcome, found.provenance

    taken: dict[str, list[float]] = {"cache bypassed": [], "missed, and kept": [], "found": []}
    for question in asked:  # one after the other, because the machine is not the same from one minute to the next
        taken["cache bypassed"] += await timed(lambda q: ask(replace(q, options=bypass), kit), [question])
        taken["missed, and kept"] += await timed(lambda q: expecting(q, kit, CacheOutcome.MISS), [question])
        taken["found"] += await timed(lambda q: expecting(q, kit, CacheOutcome.HIT), [question])
    similar = replace(kit, cache=session.remembered(24, 0.9), similarity=0.9)
    for question in asked:
        await expecting(question, similar, CacheOutcome.HIT)
        await remember(question, similar)
    reworded = [replace(question, text=question.text.lower().rstrip(".")) for question in asked]
    near = [one for one in reworded if (await recall(kit.settled(one), similar)).answer is not None]
    taken["a similar one found"] = await timed(lambda q: expecting(q, similar, CacheOutcome.SEMANTIC_HIT), near)
    rows = ["| an answer from the documents' own words | n | p50 ms | p95 ms |", "| --- | ---: | ---: | ---: |"]
    return [*rows, *(row(name, found) for name, found in taken.items())]


async def remember(question: Question, kit: Kit) -> None:
    """Keep the answer that is there with its vector, as if it had been looked for by it."""
    assert kit.cache is not None
    settled = kit.settled(question)
    key = decided(settled, kit)
    found = await kit.cache.find(key, settled.stores, settled.text, None)
    assert found.answer is not None
    (vector,) = await kit.embedder.embed_queries([settled.text])
    await kit.cache.keep(key, found.versions, settled.text, vector, found.answer)


async def lookups(session: Session, store: Store, model: MiniLM) -> list[str]:
    """The cache alone, against how many answers it holds for these stores; vectors of an endpoint's embedder."""
    cache = PostgresAnswerCache(session.database, session.asker, similarity=0.99)
    sample = await ask(Question(corpus.questions()[0], (store,)), _plain_kit(session, model))
    vectors = np.random.default_rng(7).standard_normal((3000, model.model.dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = ["| look-up alone | n | p50 ms | p95 ms |", "| --- | ---: | ---: | ---: |"]
    held, keeping = 0, list[float]()
    for size in (10, 100, 1000):
        versions = (await cache.find(KEY, [store], "", None)).versions

        async def keep(number: int, versions: Sequence[tuple[int, int]] = versions) -> None:
            await cache.keep(KEY, versions, f"kept {number}", vectors[number], sample)

        keeping += await timed(keep, range(held, size))
        held = size
        exact = await timed(lambda n: cache.find(KEY, [store], f"kept {n % 10}", None), range(200))
        near = await timed(lambda n: cache.find(KEY, [store], f"new {n}", vectors[n % 10][::-1].copy()), range(200))
        rows += [row(f"equal, {size:,} kept", exact), row(f"similar (none is), {size:,} kept", near)]
    rows.append(row(f"keeping an answer of {len(answer_text(sample)):,} characters", keeping))
    embedder = RememberingEmbedder(HashingEmbedder(384), session.database, session.asker)
    texts = [f"text {number}" for number in range(128)]
    await embedder.embed_passages(texts)
    await embedder.embed_queries(texts[:1])
    rows.append(row("vector of one question", await timed(lambda _: embedder.embed_queries(texts[:1]), range(200))))
    rows.append(row("vectors of 128 passages", await timed(lambda _: embedder.embed_passages(texts), range(50))))
    return rows


def _plain_kit(session: Session, model: MiniLM) -> Kit:
    return Kit(session.index, model, model)


async def writes(session: Session, store: Store, dsn: str, growing: corpus.Growing) -> list[str]:
    """Documents a second: with the count of changes, without it, and with a row that every writer updates instead."""
    rows = ["| documents of 10 chunks a second | " + " | ".join(f"{n} writers" for n in WRITERS) + " |"]
    rows.append("| --- |" + " ---: |" * len(WRITERS))
    speeds: dict[str, list[list[float]]] = {name: [[] for _ in WRITERS] for name in WAYS}
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(HOT_ROW)
        # In turns, because the machine is not the same from one minute to the next.
        for turn in range(ROUNDS):
            order = list(speeds.items())
            for name, of_name in order[turn % len(order) :] + order[: turn % len(order)]:
                switch(admin, WAYS[name])
                for of_writers, writers in zip(of_name, WRITERS, strict=True):
                    began = time.perf_counter()
                    await asyncio.gather(
                        *[_grow(session, store, growing, DOCUMENTS // writers) for _ in range(writers)]
                    )
                    of_writers.append(DOCUMENTS / (time.perf_counter() - began))
    for name, of_name in speeds.items():
        rows.append(f"| {name} | " + " | ".join(f"{statistics.median(found):.0f}" for found in of_name) + " |")
    return rows


def switch(admin: psycopg.Connection, triggers: Sequence[str]) -> None:
    """Leave only these on."""
    for trigger in (*COUNTS, "hot"):
        state = "ENABLE" if trigger in triggers else "DISABLE"
        admin.execute(f"ALTER TABLE ragstone.document {state} TRIGGER {trigger}".encode())


async def _grow(session: Session, store: Store, growing: corpus.Growing, documents: int) -> None:
    for _ in range(documents):
        await growing.add(session.library, store)


async def run(chunks: int, parts: Sequence[str], home: Path) -> list[list[str]]:
    """Tables of the parts that are asked for."""
    tables = []
    if {"answers", "writes"} & set(parts):
        settings = Settings(home=home)
        growing = corpus.Growing(MiniLM(threads=os.cpu_count() or 1), chunks)
        async with open_house(settings) as house:
            session = await house.own_session()
            model = MiniLM(threads=1)
            store = await session.library.open_store("cache", model.model)
            await growing.grow(session.library, store, chunks)
            server = embedded_server(settings)
            server.start()
            if "answers" in parts:
                tables += [await answers(house, session, store), await lookups(session, store, model)]
            if "writes" in parts:
                tables.append(await writes(session, store, server.admin_dsn(DATABASE), growing))
            server.stop()
    if "similar" in parts:
        tables.append(paraphrases.table())
    return tables


def main() -> None:
    """Print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    corpus.require_data()
    home = Path(tempfile.mkdtemp(prefix="ragstone-cache-"))
    home.chmod(0o755)
    try:
        tables = asyncio.run(run(arguments.chunks, arguments.part, home))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {arguments.chunks:,} chunks\n")
    print("\n\n".join("\n".join(table) for table in tables))


if __name__ == "__main__":
    main()
