"""What the file of models says of itself."""

from __future__ import annotations

import fields
from pydantic import BaseModel, ValidationError
from tables import table

from ragstone.settings.models import Kind, Limits, Model, Pool, Price, Protocol, Timeouts


def models() -> str:
    """The fields of a [[models]] block."""
    return _fields(Model)


def price() -> str:
    """The fields of its price."""
    return _fields(Price)


def limits() -> str:
    """The fields of its limits."""
    return _fields(Limits)


def timeouts() -> str:
    """The fields of its timeouts."""
    return _fields(Timeouts)


def pool() -> str:
    """The fields of the [pool] table."""
    return _fields(Pool)


def protocols() -> str:
    """Which protocol is spoken with which kind of model."""
    rows = [
        (f"`{protocol.value}`", *("yes" if _is_spoken(kind, protocol) else "" for kind in Kind))
        for protocol in Protocol
    ]
    return table(("Protocol", *(f"`{kind.value}`" for kind in Kind)), rows)


def _fields(part: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", fields.value(field), fields.default(field), fields.limits(field), field.description or "")
        for name, field in part.model_fields.items()
    ]
    return table(("Field", "Value", "Default", "Limits", "Purpose"), rows)


def _is_spoken(kind: Kind, protocol: Protocol) -> bool:
    try:
        Model(name="model", kind=kind, protocol=protocol, url="http://127.0.0.1/v1", dimension=1)
    except ValidationError:
        return False
    return True
