"""JSON and JSON lines: arrays of records become tables or one block a record, everything else `path: value` lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias, cast

from ragstone.domain import Reading
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import decode
from ragstone.ingest.read.source import Source

Json: TypeAlias = "str | bool | Sequence[Json] | Mapping[str, Json] | None"  # figures stay as they are written
Record: TypeAlias = Mapping[str, Json]

_TITLES = ("title", "name", "subject", "heading", "question")
_BODIES = ("text", "content", "body", "answer", "description", "abstract")
_LONGEST_CELL = 300  # characters; longer fields are read as prose
_SPARSEST = 4  # cells of a table for each value; otherwise the records have little in common
_NAMED_LINES = 5  # damaged lines that a warning lists


def read_json(source: Source) -> Reading:
    """One JSON value, or several behind each other."""
    builder = Builder("application/json")
    text = decode(source.data).text
    try:
        value = _parse(text)
    except ValueError as error:
        if _looks_like_lines(text):
            return read_json_lines(source)
        raise source.unreadable(f"it is no valid JSON: {error}", "Correct the file or rename it to .txt.") from error
    _write(builder, value, ())
    return builder.build()


def read_json_lines(source: Source) -> Reading:
    """One record a line; a line that is no JSON is left out with a warning."""
    builder = Builder("application/jsonl")
    damaged: list[int] = []
    for number, line in enumerate(decode(source.data).text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            _write_record(builder, _parse(line))
        except ValueError:
            damaged.append(number)
    if damaged and builder.empty:
        raise source.unreadable("none of its lines is valid JSON", "Correct the file or rename it to .txt.")
    if damaged:
        listed = ", ".join(map(str, damaged[:_NAMED_LINES])) + (" ..." if len(damaged) > _NAMED_LINES else "")
        builder.warn(f"{len(damaged)} lines are no valid JSON and were left out: {listed}")
    return builder.build()


def _parse(text: str) -> Json:
    return cast("Json", json.loads(text, parse_int=str, parse_float=str, parse_constant=str))


def _looks_like_lines(text: str) -> bool:
    first, _, rest = text.strip().partition("\n")
    try:
        _parse(first)
    except ValueError:
        return False
    return bool(rest)


def _write(builder: Builder, value: Json, path: tuple[str, ...]) -> None:
    """Write a value: arrays of records below a heading of their own, the rest as lines."""
    if _is_records(value):
        _write_records(builder, cast("Sequence[Record]", value))
        return
    sections: list[tuple[tuple[str, ...], Json]] = []
    for _, lines in groupby(_leaves(value, path, sections), key=lambda leaf: leaf[0]):
        builder.paragraph("\n".join(line for _, line in lines))
    for place, records in sections:
        builder.heading(".".join(place), 1)
        _write(builder, records, place)


def _write_records(builder: Builder, records: Sequence[Record]) -> None:
    columns = list(dict.fromkeys(key for record in records for key, value in record.items() if value not in (None, "")))
    dense = len(columns) * len(records) <= _SPARSEST * sum(map(len, records))
    if len(records) > 1 and dense and all(map(_is_flat, records)):
        rows = [[_scalar(record.get(key, "")) for key in columns] for record in records]
        builder.table([columns, *rows], header=True)
        return
    for record in records:
        _write_record(builder, record)


def _write_record(builder: Builder, record: Json) -> None:
    """One block: the title, the text, then the other fields."""
    if not isinstance(record, Mapping):
        builder.paragraph("\n".join(line for _, line in _leaves(record, (), None)))
        return
    fields = {key.lower(): key for key in record if isinstance(record[key], str)}
    named = [fields[name] for name in _TITLES if name in fields][:1] + [
        fields[name] for name in _BODIES if name in fields
    ][:1]
    rest = {key: value for key, value in record.items() if key not in named}
    lines = [str(record[key]).strip() for key in named]
    lines.extend(line for _, line in _leaves(rest, (), None))
    builder.paragraph("\n".join(lines))


def _leaves(
    value: Json, path: tuple[str, ...], sections: list[tuple[tuple[str, ...], Json]] | None
) -> Iterator[tuple[str, str]]:
    """(group, `path: value`) of everything below a value; arrays of records are put into `sections` instead."""
    if sections is not None and path and _is_records(value):
        sections.append((path, value))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key), sections)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(item, str | bool) or item is None for item in value):
            if joined := ", ".join(_scalar(item) for item in value):
                yield _group(path), _labelled(path, joined)
            return
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(number)), sections)
    elif scalar := _scalar(value):
        yield _group(path), _labelled(path, scalar)


def _group(path: tuple[str, ...]) -> str:
    """Leaves of the same object at the top stand together, and so do those directly at the top."""
    return path[0] if len(path) > 1 else ""


def _labelled(path: tuple[str, ...], value: str) -> str:
    return f"{'.'.join(path)}: {value}" if path else value


def _is_records(value: Json) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _is_flat(record: Record) -> bool:
    values: Iterable[Json] = record.values()
    return all(
        value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) <= _LONGEST_CELL)
        for value in values
    )


def _scalar(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else ""
