"""Events on the wire: server-sent events, as OpenAI's two interfaces write them."""

from __future__ import annotations

import json
from collections.abc import Mapping

DONE = b"data: [DONE]\n\n"  # ends the stream of a chat completion


def event(told: Mapping[str, object]) -> bytes:
    """An event of a response, named by its type."""
    return f"event: {told['type']}\n".encode() + data(told)


def data(told: Mapping[str, object]) -> bytes:
    """A chunk of a chat completion."""
    # All but ASCII is escaped: some clients take U+2028 or U+0085 for the end of a line.
    return b"data: " + json.dumps(told, separators=(",", ":")).encode() + b"\n\n"
