"""Exact scan against HNSW by the size of a store: median time of both, and the recall of the index.

python benchmarks/nearest.py --chunks 1000 4000 16000 64000
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import corpus
import psycopg

from ragstone.bootstrap import DATABASE, Session, embedded_server, open_house
from ragstone.domain import Store, Vector
from ragstone.models.minilm.embedder import MiniLM
from ragstone.settings import Settings
from ragstone.storage.contents import index

LIMIT = 50  # as a search asks for


async def nearest(
    session: Session, store: Store, vectors: list[Vector], scan_up_to: int
) -> tuple[list[set[int]], float]:
    """The ids for each question, and the median of milliseconds."""
    found, taken = [], []
    index.SCAN_UP_TO = scan_up_to
    async with session.index.snapshot([store]) as snapshot:
        for vector in vectors:
            start = time.perf_counter()
            found.append(set(await snapshot.dense(vector, LIMIT, None)))
            taken.append((time.perf_counter() - start) * 1000)
    return found, statistics.median(taken)


async def run(sizes: list[int], home: Path) -> None:
    """Print a row a size."""
    settings, model = Settings(home=home), MiniLM(threads=2)
    vectors = list(model.embed(corpus.questions()))
    growing = corpus.Growing(model, min(max(sizes), 5_000))
    print("| chunks | scan, ms | HNSW, ms | recall@50 of HNSW |\n| ---: | ---: | ---: | ---: |")
    async with open_house(settings) as house:
        session = await house.own_session()
        store = await session.library.open_store("nearest", model.model)
        server = embedded_server(settings)
        server.start()
        for size in sizes:
            await growing.grow(session.library, store, size)
            with psycopg.connect(server.admin_dsn(DATABASE), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
            await nearest(session, store, vectors[:30], 0)
            exact, scan_ms = await nearest(session, store, vectors, 10**9)
            approximate, hnsw_ms = await nearest(session, store, vectors, 0)
            recall = statistics.fmean(len(a & b) / LIMIT for a, b in zip(exact, approximate, strict=True))
            print(f"| {size:,} | {scan_ms:.2f} | {hnsw_ms:.2f} | {recall:.3f} |", flush=True)
        server.stop()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, nargs="+", default=[1_000, 4_000, 16_000, 64_000])
    arguments = parser.parse_args()
    corpus.require_data()
    home = Path(tempfile.mkdtemp(prefix="ragstone-nearest-"))
    home.chmod(0o755)
    try:
        asyncio.run(run(sorted(arguments.chunks), home))
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
