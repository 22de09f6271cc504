"""What the service's figures for Prometheus say of themselves."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase
from tables import table

from ragstone.observe import metrics


def figures() -> str:
    """Every figure with its kind and labels."""
    every = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    return table(("Figure", "Kind", "Labels", "What it counts"), map(_row, every))


def _row(each: MetricWrapperBase) -> tuple[str, str, str, str]:
    (family,) = each.describe()
    suffix = "_total" if family.type == "counter" else ""
    labels = each._labelnames  # noqa: SLF001  # the library tells them nowhere else
    return f"`{family.name}{suffix}`", family.type, ", ".join(f"`{label}`" for label in labels), family.documentation
