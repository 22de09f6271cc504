"""`POST /v1/vector_stores/{id}/search`: passages with every stage's score."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request

from ragstone import wire
from ragstone.api.door.identity import Reading
from ragstone.api.requests import SearchRequest, domain_filter, fusion
from ragstone.bootstrap import House
from ragstone.domain import Hit, Question, Results, Store
from ragstone.retrieve.search import search

router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])


@router.post("/{store_id}/search")
async def search_store(store_id: str, body: SearchRequest, request: Request, session: Reading) -> dict[str, object]:
    """Search a store, named by its id or its name, for one query or several."""
    house: House = request.app.state.house
    store = await session.index.store(store_id)
    queries = [body.query] if isinstance(body.query, str) else body.query
    found = [await search(_question(query, store, body), session.index, house.embedder) for query in queries]
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": [_result(hit) for hit in _best(found, body.max_num_results)],
        "has_more": False,
        "next_page": None,
        "timings_ms": wire.timings(found[0].timings_ms),
    }


def _question(query: str, store: Store, body: SearchRequest) -> Question:
    options = body.ranking_options
    return Question(
        text=query,
        stores=(store,),
        top_k=body.max_num_results,
        filter=domain_filter(body.filters),
        fusion=fusion(options),
        score_threshold=options.score_threshold if options else 0.0,
    )


def _best(found: Iterable[Results], limit: int) -> list[Hit]:
    """The hits of several queries as one list: a passage counts with its best score."""
    best: dict[int, Hit] = {}
    for hit in (hit for results in found for hit in results.hits):
        known = best.get(hit.passage.chunk_id)
        if known is None or hit.scores.fused > known.scores.fused:
            best[hit.passage.chunk_id] = hit
    return sorted(best.values(), key=lambda hit: (-hit.scores.fused, hit.passage.chunk_id))[:limit]


def _result(hit: Hit) -> dict[str, object]:
    return {
        **wire.place(hit.passage),
        "score": hit.scores.fused,
        "attributes": dict(hit.passage.attributes),
        "content": [{"type": "text", "text": hit.passage.text}],
        "scores": wire.scores(hit.scores),
    }
