"""Limits on the running service: on requests, and on what language models read, write and cost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, product
from typing import Any

import httpx
import openai
import pytest
from acceptance.conftest import write_documents
from acceptance.shipped import Ragstone
from clusters import until
from folders import open_folder
from misbehaving import Misbehaving

KEYS = "How often is a key rotated?"
CHAT: Any = {"model": "ragstone/default", "messages": [{"role": "user", "content": KEYS}]}
RESPONSE: Any = {"model": "ragstone/default", "input": KEYS}
READ_PRICE, WRITE_PRICE = 100, 200  # for a million tokens
MODELS = """
[[models]]
name = "mock"
url = "{url}"
price = {{ input = {read}, output = {write} }}
"""

_numbers = count()


@pytest.fixture(scope="module")
def model() -> Iterator[Misbehaving]:
    with Misbehaving() as running:
        yield running


@pytest.fixture(scope="module")
def program(model: Misbehaving) -> Iterator[Ragstone]:
    home = open_folder("ragstone-limits-")
    (home / "models.toml").write_text(MODELS.format(url=model.url, read=READ_PRICE, write=WRITE_PRICE))
    # Each question is answered anew: what is remembered costs nothing.
    yield Ragstone(home, {"RAGSTONE_CACHE_ANSWERS": "false", "RAGSTONE_ANSWER_REWRITING": "none"})
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def service(program: Ragstone) -> Iterator[str]:
    with program.serving() as address:
        write_documents(program.home / "documents")
        outcome = program("ingest", program.home / "documents")
        assert outcome.status == 0, outcome.err
        yield address


@pytest.fixture(scope="module")
def second(program: Ragstone, service: str) -> Iterator[str]:
    """Another process over the same data."""
    with program.serving() as address:
        yield address


@pytest.fixture
def operator(service: str, program: Ragstone) -> Iterator[httpx.Client]:
    with shown(service, program.key) as client:
        yield client


@contextmanager
def shown(service: str, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


@contextmanager
def stock(service: str, key: str, retries: int = 0) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{service}/v1", api_key=key, max_retries=retries) as client:
        yield client


def make_key(program: Ragstone, *options: str) -> dict[str, str]:
    outcome = program("keys", "create", "--name", f"limited {next(_numbers)}", *options, "--json")
    assert outcome.status == 0, outcome.err
    made: dict[str, str] = outcome.json
    return made


def used(operator: httpx.Client, made: dict[str, str]) -> dict[str, float]:
    """How much is used of each limit of a key."""
    answer = operator.get(f"/admin/keys/{made['id']}/limits")
    assert answer.status_code == 200, answer.text
    return {limit["name"]: limit["used"] for limit in answer.json()["data"]}


def limit(operator: httpx.Client, made: dict[str, str], **limits: float) -> None:
    answer = operator.post(f"/admin/keys/{made['id']}/limits", json=limits)
    assert answer.status_code == 200, answer.text


def test_the_stock_client_is_told_of_a_limit_on_tokens_before_any_stream_begins(
    program: Ragstone, service: str, second: str, operator: httpx.Client
) -> None:
    # An answer may take up to 4,024 tokens, and takes fewer.
    made = make_key(program, "--scopes", "read", "--tokens-per-day", "6000")
    with stock(service, made["key"]) as client:
        answered = client.chat.completions.create(**CHAT)
        assert answered.usage is not None
        took = answered.usage.total_tokens
        assert 0 < took < 3000
        assert used(operator, made) == {"tokens_per_day": took}
        limit(operator, made, tokens_per_day=4024 + took - 1)
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        for address, stream in product((service, second), (False, True)):
            with stock(address, made["key"]) as other:
                asks: list[Callable[[], object]] = [
                    partial(other.chat.completions.create, **CHAT, stream=stream),
                    partial(other.responses.create, **RESPONSE, stream=stream),
                ]
                for ask in asks:
                    with pytest.raises(openai.RateLimitError) as refused:
                        ask()
                    assert refused.value.code == "rate_limit_exceeded"
                    words = f"{took:,} are used and an answer may take 4,024. It is renewed at {tomorrow}"
                    assert words in str(refused.value)
                    assert 0 < int(refused.value.response.headers["retry-after"]) <= 3600
        # Searching costs no tokens.
        assert client.vector_stores.search("default", query=KEYS).data


def test_money_is_counted_as_answers_say_it_and_shared_by_processes(
    program: Ragstone, service: str, second: str, operator: httpx.Client
) -> None:
    made = make_key(program, "--scopes", "read", "--cost-per-month", "10", "--tokens-per-minute", "1000000")
    costs, tokens = 0.0, 0
    for address in (service, second, service):
        with shown(address, made["key"]) as client:
            answered = client.post("/v1/responses", json=RESPONSE).json()
            usage = answered["usage"]
            costs += (usage["input_tokens"] * READ_PRICE + usage["output_tokens"] * WRITE_PRICE) / 1e6
            tokens += usage["total_tokens"]
    assert used(operator, made)["cost_per_month"] == pytest.approx(costs, abs=3e-6)
    (row,) = [
        row for row in program("usage", "--tenant", "default", "--json").json["usage"] if row["key"] == made["id"]
    ]
    assert (row["requests"], row["answers"], row["input_tokens"] + row["output_tokens"]) == (3, 3, tokens)
    assert row["cost"] == pytest.approx(costs, abs=3e-6)
    with pytest.raises(openai.RateLimitError, match="cost per month"), stock(service, made["key"]) as limited:
        limit(operator, made, cost_per_month=0.001)
        limited.responses.create(**RESPONSE)


def test_a_tenant_s_limit_holds_for_all_of_its_keys_and_for_commands(
    program: Ragstone, service: str, operator: httpx.Client
) -> None:
    tenant = f"tenant {next(_numbers)}"
    assert program("tenants", "create", tenant).status == 0
    theirs = program.having(tenant=tenant)
    assert theirs("ingest", program.home / "documents").status == 0
    keys = [make_key(program, "--tenant", tenant, "--scopes", "read,admin")["key"] for _ in range(2)]
    for key in keys:
        with stock(service, key) as client:
            client.responses.create(**RESPONSE)
    answer = operator.post(f"/admin/tenants/{tenant}/limits", json={"cost_per_month": 0.01, "tokens_per_day": 10**6})
    assert answer.status_code == 200, answer.text
    found = {limit["name"]: limit for limit in answer.json()["data"]}
    assert list(found) == ["tokens_per_day", "cost_per_month"]
    assert 0 < found["cost_per_month"]["used"] < 1
    for key in keys:
        with stock(service, key) as client, pytest.raises(openai.RateLimitError, match=r"The tenant's limit of 0\.01"):
            client.responses.create(**RESPONSE, stream=True)
        with shown(service, key) as client:
            assert client.get("/admin/limits").json()["data"] == answer.json()["data"]
    refused = theirs("ask", KEYS)
    assert refused.status == 1
    assert "The tenant's limit of 0.01 in cost per month" in refused.err
    shown_rows = program("tenants", "limits", tenant).out
    assert "cost per month" in shown_rows
    assert program("tenants", "limits", tenant, "--lift", "cost-per-month").status == 0
    with stock(service, keys[0]) as client:
        client.responses.create(**RESPONSE)
    # The command line's own answers are told apart from those of keys.
    assert theirs("ask", KEYS).status == 0
    rows = program("usage", "--tenant", tenant, "--json").json["usage"]
    assert [(row["key"] is None, row["answers"]) for row in rows] == [(False, 2), (False, 1), (True, 1)]
    per_tenant = operator.get("/admin/installation/usage").json()["data"]
    assert [row["answers"] for row in per_tenant if row["tenant"] == tenant] == [4]


def test_a_background_answer_counts_for_the_key_that_asked_and_fails_with_the_limit(
    program: Ragstone, service: str, operator: httpx.Client
) -> None:
    made = make_key(program, "--scopes", "read", "--tokens-per-month", "5000")
    with stock(service, made["key"]) as client:

        def ended() -> Any:
            queued = client.responses.create(**RESPONSE, background=True)
            until(lambda: client.responses.retrieve(queued.id).status not in {"queued", "in_progress"})
            return client.responses.retrieve(queued.id)

        answered = ended()
        assert answered.status == "completed"
        assert used(operator, made) == {"tokens_per_month": answered.usage.total_tokens}
        limit(operator, made, tokens_per_month=4100)
        failed = ended()
        assert (failed.status, failed.error.code) == ("failed", "rate_limit_exceeded")
        assert "4,100 tokens per month" in failed.error.message


def test_what_is_reserved_is_given_back_when_the_client_leaves_or_the_model_fails(
    program: Ragstone, service: str, operator: httpx.Client, model: Misbehaving
) -> None:
    made = make_key(program, "--scopes", "read", "--tokens-per-day", "9000")
    model.sound.between = 0.5
    try:
        with (
            shown(service, made["key"]) as client,
            client.stream("POST", "/v1/responses", json={**RESPONSE, "stream": True}) as stream,
        ):
            pieces = stream.iter_text()
            assert "delta" in "".join(next(pieces) for _ in range(6))
            assert used(operator, made) == {"tokens_per_day": 4024}
        # What was said until then has been paid for.
        until(lambda: 0 < used(operator, made)["tokens_per_day"] < 2000)
    finally:
        model.sound.between = 0.0
    model.fault = "500"
    try:
        with shown(service, made["key"]) as client:
            answered = client.post("/v1/responses", json=RESPONSE).json()
            assert answered["degraded"] is True
    finally:
        model.fault = ""
    assert used(operator, made)["tokens_per_day"] < 2500


def test_the_stock_client_s_retries_wait_as_long_as_they_are_told(program: Ragstone, service: str) -> None:
    made = make_key(program, "--scopes", "read", "--requests-per-minute", "60")
    with stock(service, made["key"], retries=3) as patient, stock(service, made["key"]) as hasty:
        with pytest.raises(openai.RateLimitError, match=r"60 requests per minute is used up\. Try"):
            for _ in range(70):
                hasty.models.list()
        begun = time.monotonic()
        assert patient.models.list().data
        assert 0.5 < time.monotonic() - begun < 5


def test_limits_are_set_shown_and_lifted_over_http(program: Ragstone, service: str) -> None:
    tenant = f"tenant {next(_numbers)}"
    assert program("tenants", "create", tenant).status == 0
    admin = make_key(program, "--tenant", tenant, "--scopes", "admin,read")
    with shown(service, admin["key"]) as client:
        made = client.post(
            "/admin/keys", json={"scopes": ["read"], "requests_per_day": 2, "cost_per_month": 0.5}
        ).json()
        path = f"/admin/keys/{made['id']}/limits"
        found = client.get(path).json()
        assert (found["id"], found["object"]) == (made["id"], "limits")
        assert [(one["name"], one["most"], one["used"]) for one in found["data"]] == [
            ("requests_per_day", 2, 0),
            ("cost_per_month", 0.5, 0),
        ]
        assert all(one["renews_at"] > time.time() for one in found["data"])
        changed = client.post(path, json={"requests_per_day": None, "tokens_per_minute": 5}).json()["data"]
        assert [(one["name"], one["most"]) for one in changed] == [("tokens_per_minute", 5), ("cost_per_month", 0.5)]
        (listed,) = [key for key in client.get("/admin/keys").json()["data"] if key["id"] == made["id"]]
        assert (listed["tokens_per_minute"], listed["cost_per_month"], listed["requests_per_day"]) == (5, 0.5, None)
        for body in ({"tokens_per_day": 0}, {"cost_per_day": "NaN"}, {"tokens_a_day": 5}, {"requests_per_day": 2.5}):
            assert client.post(path, json=body).status_code == 400, body
        assert client.get("/admin/keys/key_none/limits").status_code == 404
        assert client.post("/admin/keys/key_none/limits", json={}).status_code == 404
        assert client.get(f"/admin/tenants/{tenant}/limits").status_code == 403
        assert client.get("/admin/usage", params={"since": "soon"}).status_code == 400
        (row,) = client.get("/admin/usage").json()["data"]
        assert (row["key"], row["answers"]) == (admin["id"], 0)
        assert client.get("/admin/usage", params={"since": "2099-01-01"}).json()["data"] == []
        # Who has a limit hands out none that is higher.
        limited = client.post("/admin/keys", json={"scopes": ["admin", "read"], "cost_per_month": 5}).json()["key"]
    with shown(service, limited) as client:
        assert client.post("/admin/keys", json={"scopes": ["read"]}).status_code == 403
        assert client.post(path, json={"cost_per_month": 6}).status_code == 403
        assert client.post(path, json={"cost_per_month": 5}).status_code == 200


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("keys", "limits", "key_none", "--tokens-per-day", "5"), "There is no key key_none"),
        (("keys", "limits", "key_none", "--lift", "speed"), "There is no limit 'speed'"),
        (("keys", "create", "--cost-per-day", "nan"), "--cost-per-day"),
        (("keys", "create", "--tokens-per-day", "0"), "greater than or equal to 1"),
        (("tenants", "limits", "nobody"), "There is no tenant nobody"),
        (("usage", "--since", "long ago"), "90d"),
    ],
)
def test_a_mistyped_limit_is_a_line_with_its_remedy(
    program: Ragstone, service: str, command: tuple[str, ...], words: str
) -> None:
    outcome = program(*command)
    assert outcome.status == 2
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_usage_is_a_table_with_its_sum(program: Ragstone, service: str) -> None:
    made = make_key(program, "--scopes", "read", "--tokens-per-day", "100000")
    with stock(service, made["key"]) as client:
        client.chat.completions.create(**CHAT)
    out = program("usage", "--tenant", "default").out
    assert made["id"] in out
    assert out.splitlines()[-1].startswith("total")
    assert "tenant" in program("usage").out
    assert "100,000 tokens per day" in program("keys", "list").out
