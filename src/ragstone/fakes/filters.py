"""What a filter means, attribute by attribute."""

from __future__ import annotations

from ragstone.domain import Attributes, AttributeValue, Comparison, Compound, Condition, Filter

# How the attribute may stand to the value: below (-1), equal (0) or above (1).
_SIGNS = {
    Comparison.GT: (1,),
    Comparison.GTE: (0, 1),
    Comparison.LT: (-1,),
    Comparison.LTE: (-1, 0),
}


def matches(condition: Filter | None, attributes: Attributes) -> bool:
    """Whether a document with these attributes passes.

    Values of different kinds (text, number, truth) are never equal, and one kind is never above the
    other; truths have no order; texts are ordered by code point. A missing attribute satisfies only
    `ne` and `nin`. An empty `and` passes everything, an empty `or` nothing.
    """
    if condition is None:
        return True
    if isinstance(condition, Compound):
        results = (matches(part, attributes) for part in condition.filters)
        return all(results) if condition.every else any(results)
    return _holds(condition, attributes.get(condition.key))


def _holds(condition: Condition, found: AttributeValue | None) -> bool:
    given = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    match condition.comparison:
        case Comparison.EQ | Comparison.IN:
            return any(_equal(found, value) for value in given)
        case Comparison.NE | Comparison.NIN:
            return not any(_equal(found, value) for value in given)
        case order:
            return all(_sign(found, value) in _SIGNS[order] for value in given)


def _equal(found: AttributeValue | None, value: AttributeValue) -> bool:
    return isinstance(found, bool) is isinstance(value, bool) and found == value


def _sign(found: AttributeValue | None, value: AttributeValue) -> int | None:
    """None where there is no order."""
    if isinstance(found, bool) or isinstance(value, bool):
        return None
    if isinstance(found, str) and isinstance(value, str):
        return (found > value) - (found < value)
    if isinstance(found, int | float) and isinstance(value, int | float):
        return (found > value) - (found < value)
    return None
