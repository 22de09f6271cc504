"""What OpenAI publishes of its interface, to check requests, answers and streams against.

The description lies beside the checkout, in `../shared/openai-api`. Without it `published()` is None, and a test that
asks for `described()` is skipped. How the document is read, and where it is not taken at its word, stands in
`published_rules`.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from published_rules import EXCEPTIONS, UNDESCRIBED, Dialect, Exemption, Schema, plain
from referencing import Registry
from referencing.jsonschema import DRAFT202012

DESCRIPTION = Path(__file__).parents[2] / "shared" / "openai-api" / "openapi.json.gz"
ABSENT = "the published description of OpenAI's interface is not there (../shared/openai-api)"

_REQUESTS = Dialect("published:requests", closed=True)
_ANSWERS = Dialect("published:answers", closed=False)
_JSON = "application/json"
_LONGEST = 300  # characters of a complaint; it may hold the whole object
# A value of one of these fields tells which of several variants was meant.
_TAGS = frozenset({"type", "role", "object"})


@cache
def published() -> Published | None:
    """The published description; None where it is not there."""
    if not DESCRIPTION.exists():
        return None
    with gzip.open(DESCRIPTION) as file:
        return Published(json.load(file))


def described() -> Published:
    """The published description; without it the test that asks is skipped."""
    found = published()
    if found is None:
        pytest.skip(ABSENT)
    return found


class Published:
    """Checks that raise an AssertionError, with a line for everything that does not fit and its JSON path."""

    def __init__(self, document: Mapping[str, object], exceptions: Sequence[Exemption] = EXCEPTIONS) -> None:
        """Read the whole document; validators are made when they are asked for."""
        schemas = {dialect: plain(document, dialect, exceptions) for dialect in (_REQUESTS, _ANSWERS)}
        self._registry: Registry[object] = Registry().with_resources(
            (dialect.base, DRAFT202012.create_resource({"components": {"schemas": named}}))
            for dialect, named in schemas.items()
        )
        self._events = _events(schemas[_ANSWERS])
        self._operations = _operations(document)
        self._validator = cache(self._new_validator)

    def check_request(self, method: str, path: str, json_body: object) -> None:
        """A JSON body that a client sends to a concrete path such as `/v1/vector_stores/vs_1/files`."""
        template, operation = self._operation(method, path)
        content = _at(operation, "requestBody", "content", _JSON, "schema")
        if content is None:
            raise AssertionError(f"{method.upper()} {template} takes no JSON")
        self._check(f"the request {method.upper()} {template}", _REQUESTS, content, json_body)

    def check_answer(self, method: str, path: str, status: int, json_body: object) -> None:
        """The JSON that answers a request; a status from 400 on has the shape of all errors."""
        template, operation = self._operation(method, path)
        content = _at(operation, "responses", str(status), "content", _JSON, "schema")
        if status >= 400:
            # Few routes describe their errors, and those that do leave out the envelope that clients unwrap.
            content = {"$ref": "#/components/schemas/ErrorResponse"}
        elif content is None:
            content = UNDESCRIBED.get((method.lower(), template, status))
        if content is None:
            raise AssertionError(f"{method.upper()} {template} answers no {status} with JSON")
        name = f"the answer {status} of {method.upper()} {template}"
        self._check(name, _ANSWERS, content, json_body)

    def check_schema(self, name: str, instance: object, *, sent: bool = False) -> None:
        """An object of an answer, or one that a client sends, against the published schema of this name."""
        dialect = _REQUESTS if sent else _ANSWERS
        self._check(name, dialect, {"$ref": f"#/components/schemas/{name}"}, instance)

    def check_event(self, event_dict: Mapping[str, object]) -> None:
        """An event of a streamed response."""
        name = self._events.get(str(event_dict.get("type")))
        if name is None:
            raise AssertionError(f"$.type: {event_dict.get('type')!r} is no published event of a response")
        self.check_schema(name, event_dict)

    def check_chunk(self, chunk: Mapping[str, object]) -> None:
        """A chunk of a streamed chat completion."""
        self.check_schema("CreateChatCompletionStreamResponse", chunk)

    def _operation(self, method: str, path: str) -> tuple[str, Schema]:
        concrete = path.partition("?")[0].removeprefix("/v1")
        for template, pattern, methods in self._operations:
            if method.lower() in methods and pattern.fullmatch(concrete):
                return template, methods[method.lower()]
        raise AssertionError(f"{method.upper()} {path} is no published operation")

    def _check(self, what: str, dialect: Dialect, schema: Mapping[str, object], instance: object) -> None:
        validator = self._validator(json.dumps(dialect.translate(schema, "")))
        errors = sorted(validator.iter_errors(instance), key=lambda error: error.json_path)
        complaints = [_line(found) for error in errors for found in _causes(error)]
        if complaints:
            raise AssertionError("\n  ".join([f"{what} does not fit the published description:", *complaints]))

    def _new_validator(self, schema: str) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(json.loads(schema), registry=self._registry)


def _causes(error: jsonschema.ValidationError) -> Iterator[jsonschema.ValidationError]:
    """Of a choice in which nothing fits: what is wrong with the variant that was meant, if that can be told."""
    meant = _meant(error)
    if not meant:
        yield error
        return
    for part in min(meant, key=len):
        yield from _causes(part)


def _meant(error: jsonschema.ValidationError) -> list[list[jsonschema.ValidationError]]:
    """The errors of each variant of a choice that may have been meant."""
    variants: dict[object, list[jsonschema.ValidationError]] = {}
    for part in error.context if error.validator == "anyOf" else ():
        variants.setdefault(part.schema_path[0], []).append(part)
    return [parts for parts in variants.values() if not any(map(_tells_apart, parts))]


def _tells_apart(error: jsonschema.ValidationError) -> bool:
    """Whether this error shows that another variant was meant: another kind of value, or another tag."""
    where = list(error.path)
    if not where:
        return error.validator == "type" or (error.validator == "anyOf" and not _meant(error))
    return len(where) == 1 and where[0] in _TAGS and error.validator in {"enum", "const"}


def _line(error: jsonschema.ValidationError) -> str:
    message = error.message if len(error.message) <= _LONGEST else f"{error.message[:_LONGEST]}..."
    return f"{error.json_path}: {message}"


def _operations(document: Mapping[str, object]) -> list[tuple[str, re.Pattern[str], dict[str, Schema]]]:
    """Templates with their patterns, the most literal first, and operations by method."""
    paths = _at(document, "paths") or {}
    templates = sorted((path for path in paths if "?" not in path), key=lambda path: (path.count("{"), path))
    return [(template, _pattern(template), _methods(paths[template])) for template in templates]


def _methods(path: object) -> dict[str, Schema]:
    assert isinstance(path, dict)
    return path


def _pattern(template: str) -> re.Pattern[str]:
    # A model's name may have a slash, other identifiers do not.
    parts = re.split(r"(\{\w+\})", template)
    named = [part if i % 2 else re.escape(part) for i, part in enumerate(parts)]
    return re.compile("".join({"{model}": ".+"}.get(part, "[^/]+" if part.startswith("{") else part) for part in named))


def _events(schemas: Mapping[str, Schema]) -> dict[str, str]:
    """Names of the schemas of events by the event's type."""
    variants = schemas["ResponseStreamEvent"]["anyOf"]
    assert isinstance(variants, list)
    names = [str(variant["$ref"]).rpartition("/")[2] for variant in variants]
    tags = {name: _at(schemas[name], "properties", "type") or {} for name in names}
    return {str(kind): name for name, tag in tags.items() for kind in _values(tag)}


def _values(tag: Schema) -> list[object]:
    values = tag.get("enum", [])
    assert isinstance(values, list)
    return values


def _at(part: Mapping[str, object], *keys: str) -> Schema | None:
    """The object at this path of the document, if there is one."""
    found: object = part
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None
