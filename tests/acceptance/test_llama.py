"""Answers on the running service with a real llama.cpp server behind it, whose model is tiny and speaks nonsense.

What it says is never worth anything: that it is told, counted and cut at its length is what is shown. Without its
temperature it would sometimes say nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from acceptance.shipped import Ragstone
from llama import KEY, NAME, llama_server
from published import described

KEYS = "How often is a key rotated?"
TOOL: Any = {"type": "file_search", "vector_store_ids": ["default"]}
FRESH: Any = {"cache": "bypass"}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("xllamacpp", reason="the real model server is not installed")
    with llama_server(tmp_path_factory.mktemp("llama")) as url:
        yield url


@pytest.fixture(scope="module")
def served(library: Ragstone, llama: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    key = tmp_path_factory.mktemp("secrets") / "key"
    key.write_text(f"{KEY}\n")
    with library.having(llm_url=llama, llm_key_file=str(key), answer_max_tokens="48").serving() as address:
        yield address


@pytest.fixture
def client(served: str, library: Ragstone) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served}/v1", api_key=library.key, max_retries=0) as connected:
        yield connected


def extra(response: Any) -> Any:
    assert response.model_extra
    return response.model_extra


def test_a_real_model_s_words_are_streamed_and_counted_and_nonsense_is_no_answer(client: openai.OpenAI) -> None:
    kinds, text = [], ""
    for event in client.responses.create(
        model="ragstone", input=KEYS, tools=[TOOL], stream=True, temperature=0, extra_body=FRESH
    ):
        described().check_event(event.to_dict(mode="json"))
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
        final = event
    assert final.type in {"response.completed", "response.incomplete"}
    assert final.response.output_text == text != ""
    assert final.response.model == "llm"
    assert final.response.usage is not None
    assert final.response.usage.input_tokens > 100
    assert 0 < final.response.usage.output_tokens <= 48 * extra(final.response)["strategy"]["calls"]
    assert extra(final.response)["grounding"]["status"] != "supported"


def test_an_answer_ends_at_the_length_that_was_asked_for(client: openai.OpenAI) -> None:
    made = client.responses.create(
        model="ragstone",
        input=KEYS,
        tools=[TOOL],
        max_output_tokens=16,
        temperature=0,
        extra_body={**FRESH, "rewriting": "none"},
    )
    assert made.usage is not None
    assert made.usage.output_tokens <= 16
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    said = client.chat.completions.create(
        model="ragstone/default",
        messages=[{"role": "user", "content": KEYS}],
        max_tokens=16,
        temperature=0,
        extra_body={**FRESH, "rewriting": "none"},
    )
    assert said.choices[0].finish_reason == "length"
    assert client.responses.retrieve(made.id).status == "incomplete"


@pytest.mark.parametrize("strategy", ["few_shot", "self_consistency", "divide_and_conquer", "react"])
def test_every_strategy_gets_along_with_nonsense(client: openai.OpenAI, strategy: str) -> None:
    made = client.responses.create(
        model="ragstone", input=KEYS, tools=[TOOL], extra_body={**FRESH, "strategy": strategy}, max_output_tokens=32
    )
    assert made.status in {"completed", "incomplete"}
    assert "degraded" in extra(made) or extra(made)["strategy"]["calls"] >= 1


def test_a_wrong_key_and_what_does_not_fit_are_answered_by_the_documents(library: Ragstone, llama: str) -> None:
    with library.having(llm_url=llama).serving() as address:
        http = httpx.Client(base_url=address, headers=library.headers, timeout=60)
        made = http.post("/v1/responses", json={"input": KEYS, **FRESH}).json()
        assert made["degraded"] is True
        assert "ninety days" in made["output"][-1]["content"][0]["text"]
        (member,) = http.get("/admin/models").json()["data"]
        assert member["state"] == "misconfigured"
        assert KEY not in str(member)
        http.close()


def test_what_does_not_fit_the_model_s_window_is_answered_by_the_documents(client: openai.OpenAI) -> None:
    made = client.responses.create(
        model="ragstone", input=KEYS, tools=[TOOL], instructions="Be brief. " * 2000, extra_body=FRESH
    )
    assert extra(made)["degraded"] is True
    assert "ninety days" in made.output_text


def test_the_check_of_the_models_knows_which_one_it_is(library: Ragstone, llama: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    checked = library.having(llm_url=llama, llm_model=NAME, llm_key_file=str(key))("models", "--check", "--json")
    assert [(one["name"], one["model"], one["ok"]) for one in checked.json] == [("llm", NAME, True)]
