"""How the published description of OpenAI's interface is read: its dialect made plain JSON Schema 2020-12.

The document calls itself OpenAPI 3.1, whose schemas are JSON Schema, but is written in a mixture of dialects. What is
changed before anything is checked against it:

- `nullable: true` (OpenAPI 3.0) becomes a choice between the schema and null.
- `$recursiveRef` (JSON Schema 2019-09) becomes a reference to the schema that carries `$recursiveAnchor`.
- `oneOf` becomes `anyOf`: the published variants overlap (a user's message is both an `EasyInputMessage` and an
  `InputMessage`), so that "exactly one" refuses what the interface's own clients send.
- In answers, `additionalProperties: false` is dropped, since fields of ours may stand beside the published ones. What
  is missing is still wrong, and so is a published field with a wrong value.
- Where the document contradicts itself, `EXCEPTIONS` names the place and the reason.
- Errors are an `ErrorResponse` on every route: only three routes describe one, and there without its envelope `error`,
  which the published clients unwrap.
- `UNDESCRIBED` holds the answers for which the document has an example, but no schema.

Formats (`uri`, `unixtime`) are not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Schema: TypeAlias = dict[str, object]

_SILENT = frozenset({"example", "default", "description", "title", "nullable", "discriminator", "$recursiveAnchor"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf"})
_NESTED = frozenset({"items", "additionalProperties", "propertyNames", "not", "if", "then"})


@dataclass(frozen=True)
class Exemption:
    """A place where the document is not taken at its word."""

    schema: str  # name in components/schemas
    reason: str
    amend: Callable[[Schema], Schema]


def _embedding(schema: Schema) -> Schema:
    properties = _mapping(schema["properties"])
    either: Schema = {"anyOf": [properties["embedding"], {"type": "string"}]}
    return {**schema, "properties": {**properties, "embedding": either}}


def _page(schema: Schema) -> Schema:
    properties = _mapping(schema["properties"])
    nullable: Schema = {"type": ["string", "null"]}
    empty: Schema = {
        "if": {"properties": {"first_id": {"type": "null"}}, "required": ["first_id"]},
        "then": {"properties": {"data": {"maxItems": 0}, "last_id": {"type": "null"}}},
    }
    return {**schema, "properties": {**properties, "first_id": nullable, "last_id": nullable}, "allOf": [empty]}


def _search(schema: Schema) -> Schema:
    properties = _mapping(schema["properties"])
    options = _mapping(properties["ranking_options"])
    weights: Schema = {"$ref": "#/components/schemas/HybridSearchOptions"}
    wider: Schema = {**options, "properties": {**_mapping(options["properties"]), "hybrid_search": weights}}
    return {**schema, "properties": {**properties, "ranking_options": wider}}


_PAGES = ("ListFilesResponse", "ListVectorStoresResponse", "ListVectorStoreFilesResponse", "ResponseItemList")

EXCEPTIONS: tuple[Exemption, ...] = (
    Exemption(
        "Embedding",
        "encoding_format=base64 is published in CreateEmbeddingRequest, but the answer to it only as a list of numbers",
        _embedding,
    ),
    *(
        Exemption(
            page,
            "first_id and last_id are required strings, which an empty page does not have; "
            "other lists of the document have null there",
            _page,
        )
        for page in _PAGES
    ),
    Exemption(
        "VectorStoreSearchRequest",
        "hybrid_search stands in the ranking options of the tool file_search, but not in those of the search itself",
        _search,
    ),
)

# Answers for which no schema is published, by method, path and status: as in the document's own example.
UNDESCRIBED: Mapping[tuple[str, str, int], Schema] = {
    ("delete", "/responses/{response_id}", 200): {
        "type": "object",
        "properties": {"id": {"type": "string"}, "object": {"const": "response"}, "deleted": {"const": True}},
        "required": ["id", "object", "deleted"],
    },
}


def plain(
    document: Mapping[str, object], dialect: Dialect, exceptions: Sequence[Exemption] = EXCEPTIONS
) -> dict[str, Schema]:
    """The document's schemas by name, in plain JSON Schema."""
    published = _mapping(_mapping(document["components"])["schemas"])
    amended = {name: _mapping(schema) for name, schema in published.items()}
    for exemption in exceptions:
        amended[exemption.schema] = exemption.amend(amended[exemption.schema])
    return {name: dialect.translate(schema, name) for name, schema in amended.items()}


@dataclass(frozen=True)
class Dialect:
    """Translates schemas of the document."""

    base: str  # what the document's references are relative to
    closed: bool  # keep `additionalProperties: false`, as is right for requests

    def translate(self, schema: Mapping[str, object], name: str) -> Schema:
        """A schema of the document in plain JSON Schema; `name` is that of the component it is part of."""
        plain: Schema = {}
        for keyword, value in schema.items():
            self._keyword(plain, keyword, value, name)
        return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain

    def _keyword(self, plain: Schema, keyword: str, value: object, name: str) -> None:
        if keyword in _SILENT or keyword.startswith("x-"):
            return
        if keyword == "additionalProperties" and value is False and not self.closed:
            return
        if keyword == "$ref":
            plain["$ref"] = f"{self.base}{value}"
        elif keyword == "$recursiveRef":
            plain["$ref"] = f"{self.base}#/components/schemas/{name}"
        elif keyword == "properties":
            plain[keyword] = {key: self._nested(part, name) for key, part in _mapping(value).items()}
        elif keyword in _LISTS:
            assert isinstance(value, list)
            plain["anyOf" if keyword == "oneOf" else keyword] = [self._nested(part, name) for part in value]
        else:
            plain[keyword] = self._nested(value, name) if keyword in _NESTED else value

    def _nested(self, part: object, name: str) -> object:
        return self.translate(part, name) if isinstance(part, dict) else part


def _mapping(part: object) -> dict[str, object]:
    assert isinstance(part, dict)
    return part
