"""Events on the wire: server-sent events, as OpenAI's two interfaces write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii

DONE = b"data: [DONE]\n\n"  # ends the stream of a chat completion

# All but ASCII is escaped: some clients take U+2028 or U+0085 for the end of a line.
_encoded = json.JSONEncoder(separators=(",", ":")).encode
quoted = encode_basestring_ascii  # a text as JSON has it; for events that are written word by word


def event(told: Mapping[str, object]) -> bytes:
    """An event of a response, named by its type."""
    return f"event: {told['type']}\ndata: {_encoded(told)}\n\n".encode()


def events(told: Iterable[Mapping[str, object]]) -> bytes:
    """Several of them that are due at once."""
    return b"".join(map(event, told))


def data(told: Mapping[str, object]) -> bytes:
    """A chunk of a chat completion."""
    return f"data: {_encoded(told)}\n\n".encode()


def chunks(told: Iterable[Mapping[str, object]]) -> bytes:
    """Several of them that are due at once."""
    return b"".join(map(data, told))
