"""Figures for Prometheus: never a tenant, a user, a question or a word of a document in them.

A registry of our own, so that nothing that else lives in the process appears among them. Every replica tells its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
STATES = ("ready", "cooling", "open", "half_open", "misconfigured")  # of a member of the pool

REGISTRY = CollectorRegistry()
disable_created_metrics()  # type: ignore[no-untyped-call] # when each of them was first counted: nobody asks for that, and it doubles the text

# From a cache's or a small model's few milliseconds to the longest answers.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

MODEL_REQUESTS = Counter(
    "ragstone_model_requests_total",
    "Requests to model servers, each attempt counted: what became of them.",
    ("member", "kind", "outcome"),
    registry=REGISTRY,
)
MODEL_FIRST_TOKEN = Histogram(
    "ragstone_model_first_token_seconds",
    "From the request to the first token, at the member that answered.",
    ("member",),
    buckets=_SECONDS,
    registry=REGISTRY,
)
MODEL_SECONDS = Histogram(
    "ragstone_model_seconds",
    "From the request to the end of the answer, at the member that answered.",
    ("member",),
    buckets=_SECONDS,
    registry=REGISTRY,
)
MODEL_TOKENS = Counter(
    "ragstone_model_tokens_total",
    "Tokens that models have read (input) and written (output); estimated where a server does not tell.",
    ("member", "direction"),
    registry=REGISTRY,
)
MODEL_COST = Counter(
    "ragstone_model_cost_total", "What they cost, in the currency of the prices.", ("member",), registry=REGISTRY
)
MODEL_STATE = Gauge(
    "ragstone_model_state", "1 at the state that a member is in.", ("member", "state"), registry=REGISTRY
)
MODEL_RETRIES = Counter(
    "ragstone_model_retries_total", "Requests that went to a further member after a failure.", registry=REGISTRY
)
MODEL_HEDGES = Counter(
    "ragstone_model_hedges_total", "Requests that a second member was asked for meanwhile.", registry=REGISTRY
)
ANSWERS = Counter(
    "ragstone_answers_total",
    "Answers, by their grounding, their strategy, and whether a fallback had to answer (true or false).",
    ("status", "strategy", "degraded"),
    registry=REGISTRY,
)
CACHE = Counter(
    "ragstone_cache_total",
    "Look-ups in the caches: hit, miss or bypass.",
    ("cache", "outcome"),
    registry=REGISTRY,
)


def exposition(states: Mapping[str, str] | None = None) -> bytes:
    """All figures in Prometheus' text format, with what state each member of the pool is in now, by name."""
    MODEL_STATE.clear()
    for member, state in (states or {}).items():
        for known in STATES:
            MODEL_STATE.labels(member, known).set(known == state)
    return generate_latest(REGISTRY)
