"""The search of a running service with a model that rewrites and one that reranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import openai
import pytest
from acceptance.shipped import Ragstone
from misbehaving import Misbehaving
from published import described

ASKED = "How often is a key rotated?"
WORDED = "interval of rotating keys"
MODELS = """
[[models]]
name = "writer"
url = "{url}"

[[models]]
name = "judge"
kind = "rerank"
url = "{url}"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving(speak=lambda _: f"{ASKED}\n{WORDED}") as running:
        yield running


@pytest.fixture(scope="module")
def served(library: Ragstone, server: Misbehaving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("models") / "models.toml"
    file.write_text(MODELS.format(url=server.url))
    with library.having(models_file=str(file), rerank_model="judge").serving() as address:
        yield address


@pytest.fixture
def model(server: Misbehaving) -> Iterator[Misbehaving]:
    server.requests.clear()
    yield server
    server.fault = ""


@pytest.fixture
def http(served: str, library: Ragstone, model: Misbehaving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served, headers=library.headers, timeout=60) as connected:
        yield connected


def paths(model: Misbehaving) -> list[str]:
    return [asked.path.rpartition("/")[2] for asked in model.requests if asked.method == "POST"]


def search(http: httpx.Client, **body: Any) -> Mapping[str, Any]:
    answer = http.post("/v1/vector_stores/default/search", json={"query": ASKED, **body})
    assert answer.status_code == 200, answer.text
    page: Mapping[str, Any] = answer.json()
    described().check_answer("POST", "/v1/vector_stores/vs_1/search", 200, page)
    return page


def test_a_rewritten_query_says_what_was_searched_for(http: httpx.Client, model: Misbehaving) -> None:
    page = search(http, rewrite_query=True)
    assert page["search_query"] == [ASKED, WORDED]
    assert paths(model) == ["completions", "rerank"]
    assert page["timings_ms"]["rewrite"] > 0


def test_hits_show_the_reranker_s_judgement_and_come_in_its_order(http: httpx.Client, model: Misbehaving) -> None:
    page = search(http)
    assert page["search_query"] == [ASKED]
    assert paths(model) == ["rerank"]
    relevance = [hit["scores"]["rerank"] for hit in page["data"]]
    assert relevance == sorted(relevance, reverse=True) == [hit["score"] for hit in page["data"]]
    assert page["data"][0]["filename"] == "handbook.md"


def test_a_search_can_do_without_the_reranker(http: httpx.Client, model: Misbehaving) -> None:
    page = search(http, ranking_options={"ranker": "none"})
    assert paths(model) == []
    assert all("rerank" not in hit["scores"] for hit in page["data"])


def test_each_of_several_queries_is_reranked_on_its_own(http: httpx.Client, model: Misbehaving) -> None:
    page = search(http, query=[ASKED, "price of marble"])
    assert page["search_query"] == [ASKED, "price of marble"]
    # The first of all requests asks the server which model it has.
    assert [asked.body["query"] for asked in model.requests if "query" in asked.body] == [ASKED, "price of marble"]
    assert len({hit["chunk_id"] for hit in page["data"]}) == len(page["data"])


def test_with_every_model_failing_the_search_answers_all_the_same(http: httpx.Client, model: Misbehaving) -> None:
    plain = search(http, ranking_options={"ranker": "none"})
    model.fault = "500"
    page = search(http, rewrite_query=True)
    assert page["search_query"] == [ASKED]
    assert [hit["chunk_id"] for hit in page["data"]] == [hit["chunk_id"] for hit in plain["data"]]


def test_the_stock_client_reads_what_a_rewritten_search_answers(
    served: str, library: Ragstone, model: Misbehaving
) -> None:
    with openai.OpenAI(base_url=f"{served}/v1", api_key=library.key, max_retries=0) as client:
        page = client.vector_stores.search("default", query=ASKED, rewrite_query=True, max_num_results=1)
    (hit,) = page.data
    assert hit.filename == "handbook.md"
