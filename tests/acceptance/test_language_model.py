"""Answers of a language model on the running service: a server on loopback that says what the tests want it to say."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import openai
import pytest
from acceptance.conftest import write_documents
from acceptance.shipped import Ragstone
from clusters import until
from folders import open_folder
from misbehaving import Misbehaving
from published import described

KEYS = "How often is a key rotated?"
KNOWN = "A key is rotated every ninety days"
MADE_UP = "Elephants paint the office walls on Fridays"
TOOL: Any = {"type": "file_search", "vector_store_ids": ["default"]}
CHAT = "/v1/chat/completions"
ASKED: Any = [{"role": "user", "content": KEYS}]
FRESH: Any = {"cache": "bypass"}
ADDED = {"grounding", "timings_ms", "answered_by", "cache", "strategy", "prompt_template", "cost"}


def says(*sentences: str) -> Callable[[Mapping[str, Any]], str]:
    """A model that says this, with the first passage behind each sentence."""
    text = " ".join(f"{sentence} [1]." for sentence in sentences)
    return lambda _: text


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


@pytest.fixture
def model(server: Misbehaving) -> Iterator[Misbehaving]:
    """The model server, healthy and quick again."""
    server.sound.first = server.sound.between = 0.0
    server.sound.speak = says(KNOWN)
    server.requests.clear()
    yield server
    server.fault = ""


@pytest.fixture(scope="module")
def served(library: Ragstone, server: Misbehaving) -> Iterator[str]:
    with library.having(llm_url=server.url, answer_rewriting="none").serving() as address:
        yield address


@pytest.fixture
def client(served: str, library: Ragstone, model: Misbehaving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served}/v1", api_key=library.key, max_retries=0) as connected:
        yield connected


@pytest.fixture
def http(served: str, library: Ragstone, model: Misbehaving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served, headers=library.headers, timeout=60) as connected:
        yield connected


def create(http: httpx.Client, **body: Any) -> Any:
    answer = http.post("/v1/responses", json={"model": "ragstone", "input": KEYS, "tools": [TOOL], **body})
    assert answer.status_code == 200, answer.text
    described().check_answer("POST", "/v1/responses", 200, answer.json())
    return answer.json()


def chat(http: httpx.Client, **body: Any) -> Any:
    answer = http.post(CHAT, json={"model": "ragstone/default", "messages": ASKED, **body})
    assert answer.status_code == 200, answer.text
    described().check_answer("POST", CHAT, 200, answer.json())
    return answer.json()


def streamed(http: httpx.Client, path: str = "/v1/responses", **body: Any) -> list[Any]:
    """The events of a stream, checked."""
    question = {"input": KEYS, "tools": [TOOL]} if path == "/v1/responses" else {"messages": ASKED}
    answer = http.post(path, json={"model": "ragstone/default", **question, "stream": True, **body})
    assert answer.status_code == 200, answer.text
    blocks = [block.partition("data: ")[2] for block in answer.text.strip().split("\n\n")]
    events = [json.loads(block) for block in blocks if block != "[DONE]"]
    for event in events:
        (described().check_event if path == "/v1/responses" else described().check_chunk)(event)
    return events


def text_of(response: Any) -> str:
    return str(response["output"][-1]["content"][0]["text"])


def settled(http: httpx.Client, identifier: str) -> Any:
    """The response once nothing more happens to it."""

    def found() -> Any:
        return http.get(f"/v1/responses/{identifier}").json()

    until(lambda: found()["status"] not in {"queued", "in_progress"})
    return found()


def test_a_model_s_answer_is_cited_counted_and_kept_with_how_it_came_about(http: httpx.Client) -> None:
    made = create(http, **FRESH)
    assert text_of(made) == f"{KNOWN}."
    (cited,) = made["output"][-1]["content"][0]["annotations"]
    assert (cited["filename"], cited["verified"]) == ("handbook.md", True)
    assert "ninety days" in cited["quote"]
    assert made.keys() >= ADDED
    assert (made["model"], made["status"], made["grounding"]) == ("llm", "completed", {"status": "supported"})
    assert made["strategy"] == {"name": "direct", "calls": 1}
    assert made["prompt_template"].startswith("direct@")
    usage = made["usage"]
    assert usage["input_tokens"] > 50 < usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    found = http.get(f"/v1/responses/{made['id']}").json()
    for response in (made, found):
        del response["timings_ms"]  # the database keeps them in an order of its own
    assert found == made


def test_a_chat_says_the_same(http: httpx.Client) -> None:
    made = chat(http, **FRESH)
    message = made["choices"][0]["message"]
    assert message["content"] == f"{KNOWN}."
    assert message["annotations"][0]["url_citation"]["title"] == "handbook.md"
    assert made.keys() >= ADDED
    assert (made["model"], made["answered_by"]) == ("ragstone/default", "llm")
    assert made["usage"]["completion_tokens"] > 0


def test_words_are_streamed_while_the_model_speaks(client: openai.OpenAI, model: Misbehaving) -> None:
    model.sound.between = 0.05
    model.sound.speak = says(*[KNOWN] * 8)
    speaking, text, kinds = 0, "", []
    with client.responses.stream(model="ragstone", input=KEYS, tools=[TOOL], extra_body=FRESH) as stream:
        for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                speaking = speaking or model.open
                text += event.delta
        final = stream.get_final_response()
    assert speaking
    assert text == final.output_text
    assert text.count(KNOWN) == 8
    order = ["response.created", "response.file_search_call.searching", "response.file_search_call.completed"]
    order += ["response.output_text.delta", "response.output_text.annotation.added", "response.completed"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    assert client.responses.retrieve(final.id).output_text == text


def test_every_event_and_chunk_is_as_published(http: httpx.Client) -> None:
    events = streamed(http, include=["file_search_call.results"], **FRESH)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    described().check_schema("Response", events[-1]["response"])
    chunks = streamed(http, CHAT, stream_options={"include_usage": True}, **FRESH)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]) == f"{KNOWN}."
    assert chunks[-1]["usage"]["total_tokens"] > 50
    assert chunks[-2]["answered_by"] == "llm"


@pytest.mark.anyio
async def test_many_streams_at_once_are_told_apart(served: str, library: Ragstone, model: Misbehaving) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served}/v1", api_key=library.key, max_retries=0) as many:

        async def one() -> str:
            text = ""
            async for chunk in await many.chat.completions.create(
                model="ragstone/default", messages=ASKED, stream=True, extra_body=FRESH
            ):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            return text

        async with asyncio.timeout(60):
            assert set(await asyncio.gather(*(one() for _ in range(30)))) == {f"{KNOWN}."}


def test_what_no_passage_supports_is_marked_or_left_out(http: httpx.Client, model: Misbehaving) -> None:
    model.sound.speak = says(KNOWN, MADE_UP)
    marked = create(http, **FRESH)
    assert marked["grounding"]["status"] == "partial"
    (stretch,) = marked["grounding"]["unsupported"]
    assert MADE_UP in text_of(marked)[stretch["start_index"] : stretch["end_index"]]
    removed = create(http, unsupported="remove", **FRESH)
    assert text_of(removed).strip() == f"{KNOWN}."
    assert "unsupported" not in removed["grounding"]


def test_an_answer_that_was_given_before_is_there_at_once_and_says_so(http: httpx.Client, model: Misbehaving) -> None:
    body = {"input": f"{KEYS} Please.", "model": "ragstone/default"}
    outcomes, before = [], model.asked
    for more in ({}, {}, {"stream": True}, {"cache": "bypass"}):
        answer = http.post("/v1/responses", json={**body, **more})
        outcomes.append(answer.headers["x-ragstone-cache"])
    assert outcomes == ["miss", "hit", "hit", "bypass"]
    assert model.asked - before == 2
    hit = http.post("/v1/responses", json=body).json()
    assert (hit["cache"], hit["usage"]["total_tokens"], "cost" in hit) == ("hit", 0, False)
    assert KNOWN in text_of(hit)


def test_a_question_goes_on_from_the_whole_conversation(client: openai.OpenAI, model: Misbehaving) -> None:
    first = client.responses.create(model="ragstone", input=KEYS, tools=[TOOL], instructions="In verse.")
    second = client.responses.create(
        model="ragstone", input="Who does it?", tools=[TOOL], previous_response_id=first.id
    )
    model.requests.clear()
    third = client.responses.create(
        model="ragstone", input="And when?", tools=[TOOL], previous_response_id=second.id, instructions="Be brief."
    )
    assert third.output_text
    said = json.dumps(model.requests[-1].body["messages"])
    assert said.index(KEYS) < said.index(KNOWN) < said.index("Who does it?") < said.index("And when?")
    assert "Be brief." in said
    assert "In verse." not in said


def test_instructions_length_and_temperature_reach_the_model(http: httpx.Client, model: Misbehaving) -> None:
    create(http, instructions="Answer in verse.", max_output_tokens=77, temperature=0.25, **FRESH)
    body = model.requests[-1].body
    assert "Answer in verse." in json.dumps(body["messages"])
    assert (body["max_tokens"], body["temperature"]) == (77, 0.25)
    system = {"role": "system", "content": "Answer in prose."}
    chat(http, messages=[system, *ASKED], max_completion_tokens=78, **FRESH)
    body = model.requests[-1].body
    assert "Answer in prose." in json.dumps(body["messages"])
    assert body["max_tokens"] == 78


@pytest.mark.parametrize(
    "strategy",
    ["direct", "few_shot", "chain_of_thought", "self_consistency", "divide_and_conquer", "react"],
)
def test_every_strategy_answers_and_says_what_it_took(http: httpx.Client, strategy: str) -> None:
    made = create(http, strategy=strategy, **FRESH)
    assert made["status"] == "completed", made
    assert made["strategy"]["name"] == strategy
    assert made["strategy"]["calls"] >= 1
    told = streamed(http, strategy=strategy, **FRESH)
    assert told[-1]["type"] == "response.completed"


def test_a_store_says_how_its_questions_are_answered(client: openai.OpenAI, http: httpx.Client) -> None:
    with pytest.raises(openai.BadRequestError, match="ragstone_strategy is 'guess', and not one of direct, few_shot"):
        client.vector_stores.create(name="steered", metadata={"ragstone_strategy": "guess"})
    store = client.vector_stores.create(name="steered", metadata={"ragstone_strategy": "few_shot", "team": "security"})
    try:
        with pytest.raises(openai.BadRequestError, match="ragstone_unsupported"):
            client.vector_stores.update(store.id, metadata={"ragstone_unsupported": "hide"})
        file = client.files.create(file=("keys.md", f"{KNOWN}.".encode()), purpose="assistants")
        client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id, poll_interval_ms=50)
        tool = {**TOOL, "vector_store_ids": [store.id]}
        assert create(http, tools=[tool], **FRESH)["strategy"]["name"] == "few_shot"
        assert create(http, tools=[tool], strategy="direct", **FRESH)["strategy"]["name"] == "direct"
    finally:
        client.vector_stores.delete(store.id)


@pytest.fixture(scope="module")
def apart(server: Misbehaving) -> Iterator[tuple[str, Ragstone]]:
    """A service of its own: beside others, a worker of theirs may make the answer."""
    home = open_folder("ragstone-models-")
    program = Ragstone(home, {}).having(llm_url=server.url, answer_rewriting="none")
    write_documents(home / "documents")
    with program.serving() as address:
        assert program("ingest", home / "documents").status == 0
        yield address, program
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_in_the_background_comes_from_the_model_too(
    apart: tuple[str, Ragstone], model: Misbehaving, stream: bool
) -> None:
    address, program = apart
    with httpx.Client(base_url=address, headers=program.headers, timeout=60) as http:
        if stream:
            found = streamed(http, background=True, **FRESH)[-1]["response"]
        else:
            made = create(http, background=True, **FRESH)
            assert (made["status"], made["model"]) == ("queued", "ragstone")
            found = settled(http, made["id"])
    assert (found["status"], found["model"], text_of(found)) == ("completed", "llm", f"{KNOWN}.")
    assert found.keys() >= ADDED


def test_the_documents_own_words_can_still_be_asked_for(apart: tuple[str, Ragstone], model: Misbehaving) -> None:
    address, program = apart
    before = model.asked
    with httpx.Client(base_url=address, headers=program.headers, timeout=60) as http:
        for background in (False, True):
            made = create(http, model="ragstone-extractive", background=background, **FRESH)
            found = settled(http, made["id"])
            assert (found["model"], "strategy" in found) == ("ragstone-extractive", False)
    assert model.asked == before


@pytest.mark.parametrize("path", ["/v1/responses", CHAT])
@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_is_not_answered_any_further(
    served: str, library: Ragstone, model: Misbehaving, path: str, stream: bool
) -> None:
    model.sound.between = 0.05
    model.sound.speak = says(*[KNOWN] * 100)
    left = model.hung_up
    body = {"model": "ragstone/default", "input": KEYS, "messages": ASKED, "stream": stream, **FRESH}
    with httpx.Client(base_url=served, headers=library.headers, timeout=10 if stream else 1) as hasty:
        if stream:
            with hasty.stream("POST", path, json=body) as answer:
                assert any("ninety" in line for line in answer.iter_lines())
        else:
            with pytest.raises(httpx.ReadTimeout):
                hasty.post(path, json=body)
    until(lambda: model.hung_up > left and model.open == 0, seconds=5)


def test_who_did_not_wait_may_come_back_with_the_same_key(http: httpx.Client, model: Misbehaving) -> None:
    model.sound.between = 0.05
    model.sound.speak = says(*[KNOWN] * 100)
    body, key = {"model": "ragstone/default", "input": KEYS, **FRESH}, {"idempotency-key": secrets.token_hex(8)}
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/responses", json=body, headers=key, timeout=1)
    until(lambda: model.open == 0, seconds=5)
    model.sound.between = 0.0
    model.sound.speak = says(KNOWN)
    until(lambda: http.post("/v1/responses", json=body, headers=key).status_code == 200, seconds=5)
    again = http.post("/v1/responses", json=body, headers=key)
    assert text_of(again.json()) == f"{KNOWN}."
    assert again.headers["idempotency-replayed"] == "true"


def test_what_the_models_do_is_shown_to_those_who_run_the_service(http: httpx.Client, served: str) -> None:
    create(http, **FRESH)
    shown = http.get("/admin/models").json()
    (member,) = [member for member in shown["data"] if member["name"] == "llm"]
    assert (member["kind"], member["state"], shown["trouble"]) == ("chat", "ready", None)
    assert member["answered"] >= 1
    figures = httpx.get(f"{served}/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    assert 'ragstone_model_requests_total{kind="chat",member="llm",outcome="ok"}' in figures.text
    assert 'ragstone_model_state{member="llm",state="ready"} 1.0' in figures.text
    assert 'ragstone_answers_total{degraded="false",status="supported",strategy="direct"}' in figures.text
    assert httpx.get(f"{served}/readyz").json()["checks"]["models"] == {"ok": True}


def test_an_answer_that_breaks_off_ends_with_what_there_was(http: httpx.Client, model: Misbehaving) -> None:
    model.fault = "cut"
    model.sound.speak = says(*[KNOWN] * 6)
    events = streamed(http, **FRESH)
    final = events[-1]["response"]
    told = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert final["status"] in {"completed", "incomplete"}
    assert final["degraded"] is True
    assert text_of(final) == told != ""


def test_who_has_spent_it_all_is_told_before_a_stream_begins(library: Ragstone, served: str) -> None:
    made = library("keys", "create", "--tenant", "default", "--tokens-per-day", "10", "--json")
    assert made.status == 0, made.err
    headers = {"authorization": f"Bearer {made.json['key']}"}
    with httpx.Client(base_url=served, headers=headers, timeout=60) as http:
        for path, question in (("/v1/responses", {"input": KEYS}), (CHAT, {"messages": ASKED})):
            for stream in (True, False):
                body = {"model": "ragstone/default", **question, "stream": stream, **FRESH}
                answer = http.post(path, json=body)
                assert answer.status_code == 429
                assert int(answer.headers["retry-after"]) > 0
                described().check_answer("POST", path, 429, answer.json())


@pytest.fixture(scope="module")
def orphaned(library: Ragstone) -> Iterator[str]:
    """A service whose model server does not run."""
    with library.having(llm_url="http://127.0.0.1:9/v1", answer_rewriting="none").serving() as address:
        yield address


def test_without_its_model_the_service_answers_in_the_documents_own_words(library: Ragstone, orphaned: str) -> None:
    with httpx.Client(base_url=orphaned, headers=library.headers, timeout=10) as http:
        for _ in range(5):
            made = create(http, **FRESH)
            assert "ninety days" in text_of(made)
            assert (made["status"], made["degraded"], made["model"]) == ("completed", True, "ragstone-extractive")
            assert made["degraded_reason"]
        final = streamed(http, **FRESH)[-1]["response"]
        assert (final["status"], final["degraded"]) == ("completed", True)
        assert "ninety days" in text_of(final)
        said = chat(http, **FRESH)
        assert (said["degraded"], said["choices"][0]["finish_reason"]) == (True, "stop")
        assert streamed(http, CHAT, **FRESH)[-1]["degraded"] is True
        ready = http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert ready.json()["checks"]["models"] == {"ok": False, "error": "1 of 1 are away"}


def test_the_command_line_streams_a_model_s_words_with_their_sources(library: Ragstone, model: Misbehaving) -> None:
    program = library.having(llm_url=model.url, answer_rewriting="none", cache_answers="false")
    model.sound.speak = says(KNOWN, MADE_UP)
    told = program("ask", KEYS)
    assert told.status == 0, told.err
    assert told.out.startswith(f"{KNOWN}. [1]")
    assert "[1] handbook.md" in told.out
    assert f"No passage supports  “{MADE_UP}" in told.out
    made = program("ask", KEYS, "--json", "--strategy", "few_shot").json
    assert (made["answered_by"], made["strategy"]["name"]) == ("llm", "few_shot")
    assert made["usage"]["output_tokens"] > 0
    with pytest.raises(AssertionError):
        assert program("ask", KEYS, "--strategy", "guess").status == 0


def test_the_command_line_says_who_stood_in_for_the_model(library: Ragstone) -> None:
    told = library.having(llm_url="http://127.0.0.1:9/v1", cache_answers="false")("ask", KEYS)
    assert told.status == 0
    assert "ninety days" in told.out
    assert "A fallback answered" in told.err


def test_the_command_line_lists_and_checks_the_models(library: Ragstone, model: Misbehaving) -> None:
    program = library.having(llm_url=model.url)
    assert "llm" in program("models").out
    checked = program("models", "--check", "--json")
    assert checked.status == 0, checked.err
    assert [(one["name"], one["ok"]) for one in checked.json] == [("llm", True)]
    away = library.having(llm_url="http://127.0.0.1:9/v1")
    assert away("models", "--check").status == 1
    assert "none: answers are in the documents' own words" in library("doctor").out
    found = {check["name"]: check for check in away("doctor", "--json").json}
    assert (found["models"]["ok"], bool(found["models"]["remedy"])) == (False, True)
    assert "documents' own words" in library("models").out
