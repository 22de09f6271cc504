from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from ragstone.observe import metrics

ALLOWED = {"member", "kind", "outcome", "direction", "state", "status", "strategy", "degraded", "cache", "le"}


def samples(states: dict[str, str] | None = None) -> list[tuple[str, dict[str, str], float]]:
    families = text_string_to_metric_families(metrics.exposition(states).decode())
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]


def test_a_member_is_in_exactly_one_state() -> None:
    shown = [
        (labels["state"], value) for name, labels, value in samples({"a": "open"}) if name == "ragstone_model_state"
    ]
    assert sorted(shown) == [("cooling", 0), ("half_open", 0), ("misconfigured", 0), ("open", 1), ("ready", 0)]


def test_members_that_are_gone_are_in_no_state() -> None:
    samples({"a": "open"})
    assert not [labels for name, labels, _ in samples({}) if name == "ragstone_model_state"]


def test_no_label_can_name_a_tenant_or_what_was_asked() -> None:
    metrics.MODEL_REQUESTS.labels("a", "chat", "ok").inc()
    metrics.MODEL_FIRST_TOKEN.labels("a").observe(0.1)
    metrics.ANSWERS.labels("supported", "direct", "false").inc()
    metrics.CACHE.labels("answers", "hit").inc()
    assert {label for _, labels, _ in samples({"a": "ready"}) for label in labels} <= ALLOWED


def test_every_figure_carries_the_services_name_and_says_what_it_is() -> None:
    families = list(text_string_to_metric_families(metrics.exposition().decode()))
    assert {family.name for family in families} >= {"ragstone_model_requests", "ragstone_answers", "ragstone_cache"}
    assert all(family.name.startswith("ragstone_") and family.documentation for family in families)
    assert not [family.name for family in families if family.name.endswith("_created")]
