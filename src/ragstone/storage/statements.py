"""Named SQL statements out of the `.sql` files beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """All statements of `queries/{file}.sql` by name, in the order of the file."""
    text = resources.files(__package__).joinpath("queries", f"{file}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}


@cache
def statement(file: str, name: str, model_id: int | None = None) -> bytes:
    """One statement, ready for psycopg; `{embedding}` stands for the table of a model's vectors."""
    text = statements(file)[name]
    if model_id is not None:
        text = text.replace("{embedding}", f"embedding_{model_id:d}")
    return text.encode()
