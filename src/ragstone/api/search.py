"""`POST /v1/vector_stores/{id}/search`: passages with every stage's score."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request

from ragstone import wire
from ragstone.api.door.identity import Reading
from ragstone.api.requests import RankingOptions, SearchRequest, domain_filter, fusion
from ragstone.bootstrap import House
from ragstone.domain import AnswerOptions, Hit, Question, Rewriting, Store
from ragstone.flows.kit import Kit
from ragstone.flows.look import look

router = APIRouter(prefix="/v1/vector_stores", tags=["vector stores"])


@router.post("/{store_id}/search")
async def search_store(store_id: str, body: SearchRequest, request: Request, session: Reading) -> dict[str, object]:
    """Search a store, named by its id or its name, for one query or several."""
    house: House = request.app.state.house
    store = await session.index.store(store_id)
    kit = _ranked(house.kit(session), body.ranking_options)
    queries = [body.query] if isinstance(body.query, str) else body.query
    found = await look([_question(query, store, body, kit) for query in queries], kit)
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(found.queries),
        "data": [_result(hit) for hit in found.hits],
        "has_more": False,
        "next_page": None,
        "timings_ms": wire.timings(found.timings_ms),
    }


def _ranked(kit: Kit, options: RankingOptions | None) -> Kit:
    """Without a reranker, where none is wanted."""
    return replace(kit, reranker=None) if options and options.ranker == "none" else kit


def _question(query: str, store: Store, body: SearchRequest, kit: Kit) -> Question:
    options = body.ranking_options
    question = Question(
        text=query,
        stores=(store,),
        top_k=body.max_num_results,
        filter=domain_filter(body.filters),
        fusion=fusion(options),
        score_threshold=options.score_threshold if options else 0.0,
    )
    return replace(question, options=AnswerOptions(rewriting=_rewriting(question, body, kit)))


def _rewriting(question: Question, body: SearchRequest, kit: Kit) -> Rewriting:
    """As the store or the settings want it; with nothing before a question, condensing it would change nothing."""
    if not body.rewrite_query:
        return Rewriting.NONE
    wanted = kit.settled(question).options.rewriting
    return Rewriting.DECOMPOSE if wanted is Rewriting.DECOMPOSE else Rewriting.MULTI_QUERY


def _result(hit: Hit) -> dict[str, object]:
    return {
        **wire.place(hit.passage),
        "score": wire.score(hit.scores),
        "attributes": dict(hit.passage.attributes),
        "content": [{"type": "text", "text": hit.passage.text}],
        "scores": wire.scores(hit.scores),
    }
