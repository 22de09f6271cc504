"""Retrieval quality of the product's own splitter, analyzer, embedder and search, set by set.

    python benchmarks/retrieval.py [--sets NAME ...] [--size TOKENS] [--cache FILE] [--json]

A document has the rank of its best chunk. Needs ../shared/data; embedding takes most of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import measures
from corpus import require_data
from retrieval_sets import SETS, Asked, RetrievalSet
from vectors import RememberingEmbedder

from ragstone.domain import Document, IndexedChunk, Passage, Question, Reading, Store
from ragstone.fakes.memory import Memory, MemoryIndex, MemoryLibrary
from ragstone.ingest.split import DEFAULT_SIZE, split
from ragstone.models.minilm.embedder import MiniLM
from ragstone.ports import Index
from ragstone.retrieve import bm25
from ragstone.retrieve.search import DEPTH, search
from ragstone.text import analyzer

BATCH = 256  # chunks embedded at once
RRF_K = 60  # Cormack, Clarke and Buettcher, Reciprocal Rank Fusion, SIGIR 2009
READ = 5  # chunks whose characters are compared with the evidence
METHODS = ("lexical", "dense", "rrf", "hybrid")


@dataclass(frozen=True)
class Bench:
    """What all sets are measured with."""

    model: MiniLM
    embedder: RememberingEmbedder
    size: int  # tokens of a chunk


async def main() -> None:
    arguments = _arguments()
    require_data()
    model = MiniLM(threads=2)
    bench = Bench(model, RememberingEmbedder(model, arguments.cache), arguments.size)
    report = {}
    for name in arguments.sets:
        report[name] = await _measure(SETS[name](), bench)
        bench.embedder.save()
        if not arguments.json:
            _show(name, report[name])
    if arguments.json:
        print(json.dumps({"chunk_size": arguments.size, "sets": report}, indent=2))


async def shelve(collection: RetrievalSet, bench: Bench) -> tuple[Store, Index]:
    """The collection in a store, and what finds in it."""
    shared = Memory()
    library = MemoryLibrary(shared)
    store = replace(await library.open_store(collection.name, bench.model.model), language=collection.language)
    for name, reading in collection.documents.items():
        await library.put(store, _document(name, reading), _indexed(reading, store, bench))
    return store, MemoryIndex(shared)


async def _measure(collection: RetrievalSet, bench: Bench) -> dict[str, dict[str, float]]:
    store, index = await shelve(collection, bench)
    rows: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    milliseconds = []
    for asked in collection.questions:
        rankings = await _halves(asked.text, store, index, bench)
        started = time.perf_counter()
        results = await search(Question(asked.text, (store,), top_k=DEPTH), index, bench.embedder)
        milliseconds.append((time.perf_counter() - started) * 1000)
        rankings["hybrid"] = [hit.passage for hit in results.hits]
        for method in METHODS:
            rows[method].append(_scores(rankings[method], asked, spans=collection.passages))
    means = {method: {name: fmean(row[name] for row in found) for name in found[0]} for method, found in rows.items()}
    return means | {"of": {"questions": len(milliseconds), "chunks": await _size(store, index)}}


async def _size(store: Store, index: Index) -> float:
    async with index.snapshot([store]) as snapshot:
        return (await snapshot.lexical([], None)).chunk_count


def _document(name: str, reading: Reading) -> Document:
    digest = hashlib.sha256(reading.text.encode()).digest()
    return Document(name, name, digest, "benchmark", len(reading.text), reading)


async def _indexed(reading: Reading, store: Store, bench: Bench) -> AsyncIterator[Sequence[IndexedChunk]]:
    chunks = list(split(reading, bench.model, bench.size))
    for start in range(0, len(chunks), BATCH):
        batch = chunks[start : start + BATCH]
        vectors = await bench.embedder.embed_passages([chunk.searchable for chunk in batch])
        yield [
            IndexedChunk(chunk, vector, analyzer.term_counts(chunk.searchable, store.language))
            for chunk, vector in zip(batch, vectors, strict=True)
        ]


async def _halves(text: str, store: Store, index: Index, bench: Bench) -> dict[str, list[Passage]]:
    """Each half of the hybrid on its own, and both fused by their ranks."""
    vector = (await bench.embedder.embed_queries([text]))[0]
    counts = analyzer.term_counts(text, store.language)
    async with index.snapshot([store]) as snapshot:
        scores = await snapshot.dense(vector, DEPTH, None)
        dense = sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))
        ranking = bm25.rank(await snapshot.lexical(list(counts), None), counts)
        lexical: list[int] = ranking.best(DEPTH).tolist()
        passages = await snapshot.passages(sorted({*dense, *lexical}))
    orders = {"dense": dense, "lexical": lexical, "rrf": _reciprocal_ranks(dense, lexical)}
    return {method: [passages[chunk_id] for chunk_id in order] for method, order in orders.items()}


def _reciprocal_ranks(*orders: Sequence[int]) -> list[int]:
    scores: dict[int, float] = {}
    for order in orders:
        for place, chunk_id in enumerate(order):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + 1 / (RRF_K + place + 1)
    return sorted(scores, key=lambda chunk_id: (-scores[chunk_id], chunk_id))


def _scores(found: Sequence[Passage], asked: Asked, *, spans: bool) -> dict[str, float]:
    if spans:
        read = found[:READ]
        hits = [(one.start, one.end) for one in read if one.source in asked.relevant]
        values = measures.overlap(hits, asked.evidence, sum(one.end - one.start for one in read))
        return dict(zip(("recall@5", "precision@5", "iou@5"), values, strict=True))
    ranked = list(dict.fromkeys(passage.source for passage in found))
    measure: dict[str, Callable[[Sequence[str], Collection[str]], float]]
    measure = {"ndcg@10": measures.ndcg, "recall@10": measures.recall, "mrr@10": measures.mrr}
    scores = {name: function(ranked, asked.relevant) for name, function in measure.items()}
    return scores | {"recall@3": measures.recall(ranked, asked.relevant, 3)}


def _show(name: str, report: dict[str, dict[str, float]]) -> None:
    of = report["of"]
    print(f"{name}: {of['questions']:,.0f} questions, {of['chunks']:,.0f} chunks")
    for method in METHODS:
        print(f"  {method:8}", "  ".join(f"{measure} {value:.4f}" for measure, value in report[method].items()))
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS), metavar="NAME")
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help="tokens of a chunk")
    parser.add_argument("--cache", type=Path, help="file (.npz) that keeps vectors between runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
