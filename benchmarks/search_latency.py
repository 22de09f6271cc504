"""Latency of a search by size of the store: in process and over HTTP, beside the floor.

The floor is the same query embedding and bare SQL on one synchronous connection: the nearest 100 chunks, the postings
of the question's terms and the bodies of ten chunks, as a superuser, without row-level security, ranking or snapshot.

    python benchmarks/search_latency.py --chunks 1000 10000 100000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import corpus
import httpx
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from ragstone.bootstrap import DATABASE, Session, embedded_server, open_house
from ragstone.domain import Question, Store
from ragstone.models.minilm.embedder import MiniLM
from ragstone.retrieve.search import search
from ragstone.settings import Settings
from ragstone.text import analyzer

CLIENTS = (1, 8, 32)


def figures(milliseconds: list[float], seconds: float) -> dict[str, float]:
    """Median, 95th percentile and throughput."""
    cuts = statistics.quantiles(milliseconds, n=20)
    return {
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(cuts[18], 2),
        "per_s": round(len(milliseconds) / seconds, 1),
    }


async def measured(
    one: Callable[[str], Awaitable[object]], questions: list[str], clients: int, rounds: int
) -> dict[str, float]:
    """All questions `rounds` times by so many clients at once, after a warm-up."""
    for question in questions[:20]:
        await one(question)
    waiting = iter(questions * rounds)
    taken: list[float] = []

    async def client() -> None:
        for question in waiting:
            start = time.perf_counter()
            await one(question)
            taken.append((time.perf_counter() - start) * 1000)

    start = time.perf_counter()
    await asyncio.gather(*[client() for _ in range(clients)])
    return figures(taken, time.perf_counter() - start)


def floor(session: Session, dsn: str, store: Store, model: MiniLM, questions: list[str]) -> dict[str, float]:
    """The bare work on one connection."""
    taken: list[float] = []
    tenant, shard = session.asker.tenant.id, session.asker.tenant.shard
    with psycopg.connect(dsn, autocommit=True) as connection:
        register_vector(connection)
        connection.execute("SET search_path = ragstone, public")
        connection.execute("SET hnsw.ef_search = 100")
        connection.execute("SET jit = off")

        def one(question: str) -> None:
            vector = HalfVector(model.embed([question])[0])
            near = connection.execute(
                "SELECT chunk_id FROM embedding_1 WHERE shard = %s AND tenant_id = %s AND store_id = %s"
                " ORDER BY vector <#> %s LIMIT 100",
                (shard, tenant, store.id, vector),
                binary=True,
            ).fetchall()
            connection.execute(
                "SELECT term, entries FROM posting"
                " WHERE shard = %s AND tenant_id = %s AND store_id = %s AND term = ANY(%s)",
                (shard, tenant, store.id, list(analyzer.term_counts(question))),
                binary=True,
            ).fetchall()
            connection.execute(
                "SELECT id, body FROM chunk WHERE shard = %s AND tenant_id = %s AND id = ANY(%s)",
                (shard, tenant, [row[0] for row in near[:10]]),
                binary=True,
            ).fetchall()

        for question in questions[:20]:
            one(question)
        begin = time.perf_counter()
        for question in questions * 2:
            start = time.perf_counter()
            one(question)
            taken.append((time.perf_counter() - start) * 1000)
    return figures(taken, time.perf_counter() - begin)


async def over_http(home: Path, questions: list[str]) -> dict[int, dict[str, float]]:
    """Through `ragstone serve` in a process of its own."""
    command = [sys.executable, "-c", "from ragstone.cli.app import main; main()", "serve", "--port", "0"]
    environment = {**os.environ, "RAGSTONE_HOME": str(home)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        key = process.stderr.readline().split()[-1]  # the first one, which a new installation prints
        address = next(word for word in process.stderr.readline().split() if word.startswith("http://"))
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:

            async def one(question: str) -> None:
                answer = await client.post("/v1/vector_stores/latency/search", json={"query": question})
                answer.raise_for_status()

            return {clients: await measured(one, questions, clients, 2) for clients in CLIENTS}
    finally:
        process.terminate()
        process.wait(30)


async def run(sizes: list[int], home: Path) -> list[dict[str, object]]:
    """One row a size."""
    model, questions = MiniLM(threads=1), corpus.questions()
    settings = Settings(home=home)
    rows: list[dict[str, object]] = []
    growing = corpus.Growing(MiniLM(threads=os.cpu_count() or 1), min(max(sizes), 10_000))
    async with open_house(settings) as house:
        session = await house.own_session()
        store = await session.library.open_store("latency", model.model)
        server = embedded_server(settings)
        server.start()
        for size in sizes:
            await growing.grow(session.library, store, size)
            with psycopg.connect(server.admin_dsn(DATABASE), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

            async def one(question: str) -> None:
                await search(Question(question, (store,)), session.index, house.embedder)

            row: dict[str, object] = {
                "chunks": size,
                "floor": floor(session, server.admin_dsn(DATABASE), store, model, questions),
            }
            for clients in CLIENTS:
                row[f"in process, {clients} clients"] = await measured(one, questions, clients, 2)
            for clients, found in (await over_http(home, questions)).items():
                row[f"HTTP, {clients} clients"] = found
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
        server.stop()
    return rows


def main() -> None:
    """Print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    corpus.require_data()
    home = Path(tempfile.mkdtemp(prefix="ragstone-latency-"))
    home.chmod(0o755)
    try:
        rows = asyncio.run(run(sorted(arguments.chunks), home))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, 150 questions twice")
    print("| chunks | what | p50 ms | p95 ms | per s | p50 / floor |\n| ---: | --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        base = row["floor"]
        assert isinstance(base, dict)
        for name, found in row.items():
            if isinstance(found, dict):
                ratio = found["p50_ms"] / base["p50_ms"]
                shown = f"{found['p50_ms']} | {found['p95_ms']} | {found['per_s']} | {ratio:.2f}"
                print(f"| {row['chunks']:,} | {name} | {shown} |")


if __name__ == "__main__":
    main()
