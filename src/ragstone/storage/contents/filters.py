"""A filter on attributes as a condition in SQL."""

from __future__ import annotations

from decimal import Decimal

from psycopg.types.json import Jsonb

from ragstone.domain import AttributeValue, Comparison, Compound, Condition, Filter

_ORDER = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}


def condition(part: Filter, parameters: dict[str, object]) -> str:
    """The condition on a document `d`; its values are added to `parameters`, none stands in the text.

    Values of different kinds are never equal and have no order. A missing attribute satisfies only `ne` and `nin`.
    """
    if isinstance(part, Compound):
        word = " AND " if part.every else " OR "
        return "(" + word.join(condition(inner, parameters) for inner in part.filters) + ")"
    return _compare(part, parameters)


def _compare(part: Condition, parameters: dict[str, object]) -> str:
    found = f"d.attributes -> {_parameter(part.key, parameters)}::text"
    values = part.value if isinstance(part.value, tuple) else (part.value,)
    given = [Jsonb(value) for value in values]
    match part.comparison:
        case Comparison.EQ | Comparison.IN:
            return f"COALESCE({found} = ANY({_parameter(given, parameters)}::jsonb[]), false)"
        case Comparison.NE | Comparison.NIN:
            return f"COALESCE({found} <> ALL({_parameter(given, parameters)}::jsonb[]), true)"
        case order:
            return _ordered(found, _ORDER[order], values[0], parameters)


def _ordered(found: str, operator: str, value: AttributeValue, parameters: dict[str, object]) -> str:
    if isinstance(value, bool):
        return "false"
    kind, cast = ("string", 'text COLLATE "C"') if isinstance(value, str) else ("number", "numeric")
    # As a float, PostgreSQL would round it to 15 digits, and the attribute has all of them.
    bound = Decimal(repr(value)) if isinstance(value, float) else value
    # CASE: nothing else keeps PostgreSQL from casting a text to a number before its kind is known.
    return (
        f"CASE WHEN jsonb_typeof({found}) = '{kind}' "
        f"THEN ({found} #>> '{{}}')::{cast} {operator} {_parameter(bound, parameters)}::{cast} ELSE false END"
    )


def _parameter(value: object, parameters: dict[str, object]) -> str:
    name = f"filter_{len(parameters)}"
    parameters[name] = value
    return f"%({name})s"
