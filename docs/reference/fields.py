"""What a field of the settings or of a file says of itself."""

from __future__ import annotations

import json
from enum import Enum
from types import NoneType, UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_BOUNDS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "min_length": "characters: at least",
}
_VALUES = {"str": "text", "Path": "path", "int": "integer", "float": "number", "bool": "`true` or `false`"}


def default(field: FieldInfo) -> str:
    """Its default; empty where there is none to be shown."""
    if field.is_required():
        return "required"
    if field.default in (None, "", ()) or field.default_factory is dict:
        return ""
    if field.default_factory or isinstance(field.default, BaseModel):
        return "see below"
    return f"`{json.dumps(field.default)}`" if isinstance(field.default, bool) else f"`{field.default}`"


def limits(field: FieldInfo) -> str:
    """How large or small it may be."""
    found = (
        f"{word} {getattr(bound, name)}"
        for bound in field.metadata
        for name, word in _BOUNDS.items()
        if getattr(bound, name, None) is not None
    )
    return ", ".join(found)


def value(field: FieldInfo) -> str:
    """What is written behind its equals sign."""
    return _value(field.annotation)


def _value(annotation: object) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return ", ".join(_value(each) for each in get_args(annotation) if each is not NoneType)
    if get_origin(annotation) is dict:
        return "table"
    if get_origin(annotation) is tuple:
        return f"list of {_value(get_args(annotation)[0])}s"
    assert isinstance(annotation, type)
    if issubclass(annotation, Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    if issubclass(annotation, BaseModel):
        return "table"
    return _VALUES[annotation.__name__]
