"""What the documentation says of outages is what the program knows."""

from __future__ import annotations

import re
from pathlib import Path

from ragstone.models.faults import Fault
from ragstone.models.pool.state import State
from ragstone.observe import metrics

ROOT = Path(__file__).parents[2]
HOWTO = (ROOT / "docs" / "howto" / "outages-and-budgets.md").read_text(encoding="utf-8")
SERVERS = (ROOT / "docs" / "howto" / "model-servers.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
ALERTS = (ROOT / "examples" / "models" / "alerts.yaml").read_text(encoding="utf-8")

_QUERIED = re.compile(r"\b(ragstone_\w+)(?=[{\[)])")  # a figure in a query
_STATES = re.compile(r'state[!=]=?~?"([\w|]+)"')


def figures() -> set[str]:
    """The names of all series, as Prometheus has them."""
    names = set()
    for family in metrics.REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return names


def column(page: str, heading: str) -> list[str]:
    """The code in the first column of the table with this heading."""
    rows = page.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [re.findall(r"`([^`]+)`", row)[0] for row in rows]


def test_every_figure_that_is_queried_exists() -> None:
    queried = set(_QUERIED.findall(HOWTO + ALERTS))
    assert len(queried) >= 6
    assert queried <= figures()


def test_every_state_that_is_queried_or_explained_exists() -> None:
    queried = {state for states in _STATES.findall(HOWTO + ALERTS) for state in states.split("|")}
    assert {"ready", "open"} <= queried <= set(State)
    assert column(HOWTO, "State") == [state.value for state in State]
    assert list(metrics.STATES) == [state.value for state in State]


def test_every_outcome_of_a_request_is_listed() -> None:
    (line,) = [line for line in REFERENCE.splitlines() if line.startswith("| `outcome` |")]
    listed = re.findall(r"`(\w+)`", line.partition("Of a look-up")[0])[1:]
    assert listed == ["ok", "cancelled", *[fault.value for fault in Fault]]


def test_every_label_of_a_figure_is_explained() -> None:
    rows = [line.split("|") for line in REFERENCE.splitlines() if line.startswith("| `ragstone_")]
    labels = {label for row in rows for label in re.findall(r"`(\w+)`", row[3])}
    assert labels == set(column(REFERENCE, "Label"))


def test_every_fault_with_a_remedy_is_one() -> None:
    assert set(column(SERVERS, "What it says")) <= set(Fault)
