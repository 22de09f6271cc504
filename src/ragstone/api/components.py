"""The parts of the description that hold for all routes: errors, headers, the key."""

from __future__ import annotations

from typing import Any, TypeAlias

from ragstone.api.door.admission import HEADER as PRIORITY
from ragstone.api.door.identity import ON_BEHALF_OF
from ragstone.api.door.repetition import LONGEST_KEY, REPLAYED
from ragstone.domain import Priority

Json: TypeAlias = dict[str, Any]

TAGS = {
    "files": "Uploaded files, which are attached to vector stores.",
    "vector stores": "Collections of documents, and search in them.",
    "responses": "Answers with citations.",
    "chat": "Answers for chat clients: each store is a model.",
    "models": "What can be asked.",
    "embeddings": "Vectors of texts.",
    "batches": "Many requests at once, answered in a file.",
    "administration": "Tenants, users, keys, their limits, what was spent, and the audit log.",
    "health": "Whether the service lives, has started and is ready. These routes need no key.",
}

# By status: the name of the component and when it is answered.
ERRORS = {
    400: ("BadRequest", "The request cannot be done as it was asked."),
    401: ("Unauthorized", "No key or token was shown, or it opens nothing."),
    403: ("Forbidden", "The key or token lacks the scope."),
    404: ("NotFound", "There is nothing of that id that the caller may see."),
    408: ("RequestTimeout", "The body came too slowly."),
    409: ("Conflict", "It does not fit what is there now, or the Idempotency-Key is taken."),
    413: ("TooLarge", "The body is too large."),
    415: ("UnsupportedMediaType", "The body is of a kind that the route does not read."),
    429: ("TooManyRequests", "A limit of the key or of its tenant is used up for now."),
    500: ("InternalError", "The service failed."),
    503: ("Unavailable", "The service or what it needs is overloaded, draining or away."),
}
_RETRIED = frozenset({429, 503})

EVERY_ANSWER: Json = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
REPEATED_ANSWER: Json = {REPLAYED: {"$ref": "#/components/headers/Replayed"}}


def error_answer(status: int) -> Json:
    """The component of an error's answer."""
    retry = {"retry-after": {"$ref": "#/components/headers/RetryAfter"}} if status in _RETRIED else {}
    return {
        "description": ERRORS[status][1],
        "headers": {**EVERY_ANSWER, **retry},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
    }


def _header(name: str, words: str, **schema: object) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": words,
        "schema": {"type": "string", **schema},
    }


REQUEST_ID = _header("x-request-id", "Your own id of the request, for logs; it comes back.", maxLength=128)
BEHALF = _header(
    ON_BEHALF_OF, "The user for whom a key with the scope impersonate asks: who may read less sees less.", minLength=1
)
CLASS = _header(
    PRIORITY,
    "Who goes first when the service is full; never better than the key's own class.",
    enum=[priority.name.lower() for priority in Priority],
)
IDEMPOTENCY_KEY = _header(
    "Idempotency-Key",
    "A new one for each write: its repetitions within a day are answered without being done again.",
    minLength=1,
    maxLength=LONGEST_KEY,
)

HEADERS: Json = {
    "RequestId": {
        "description": "The id of the request, in the log too.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "Replayed": {
        "description": "Present when the answer is that of an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    },
}

ERROR: Json = {
    "type": "object",
    "description": "What every error says.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What happened, why, and what to do next."},
                "type": {"type": "string", "enum": ["invalid_request_error", "rate_limit_error", "server_error"]},
                "param": {"type": ["string", "null"], "description": "The field or header that it is about."},
                "code": {"type": ["string", "null"], "description": "For programs; it does not change."},
            },
        }
    },
}

EVENT: Json = {
    "type": "object",
    "description": "One of the events of the stream.",
    "required": ["data"],
    "properties": {
        "event": {"type": "string", "description": "Its type, as in the data."},
        "data": {"type": "string", "description": "JSON; the stream of a chat ends with `[DONE]`."},
    },
}

BEARER: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (rs-...) or a token of a configured OpenID issuer.",
}
