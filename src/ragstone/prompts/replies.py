"""What a model wrote, read tolerantly."""

from __future__ import annotations

import json
import re

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^\s*```.*$", re.MULTILINE)
_BULLET = re.compile(r"^(?:[-*•]+|\(?\d{1,2}[.):]|\(?[a-z]\))\s+", re.IGNORECASE)  # a letter and a dot: E. coli
_LABEL = re.compile(
    r"^(?:(?:standalone|rewritten|rephrased|search|sub)?[ -]?(?:question|query)(?: on its own)?|part)\s*\d{0,2}\s*:\s*",
    re.IGNORECASE,
)
_QUOTES = "\"'`*“”„«» "


def spoken(said: str) -> str:
    """What a model said without what it thought aloud before it."""
    return _THOUGHT.sub("", said).strip()


def listed(said: str) -> list[str]:
    """The items of a model's list, each once: its lines, or the strings of its JSON.

    Reasoning, code fences, bullets, numbers, quotation marks and lines that only announce a list are left out.
    """
    text = _FENCE.sub("", spoken(said)).strip()
    items = _from_json(text)
    if items is None:
        items = [line for line in text.splitlines() if not line.rstrip(_QUOTES).endswith(":")]
    bare = (_bare(item) for item in items)
    return list(dict.fromkeys(item for item in bare if item))


def _bare(item: str) -> str:
    line = " ".join(item.split()).strip(_QUOTES)
    return _LABEL.sub("", _BULLET.sub("", line).strip(_QUOTES)).strip(_QUOTES)


def _from_json(text: str) -> list[str] | None:
    if not text.startswith(("[", "{")):
        return None
    try:
        return _strings(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [found for inner in value.values() for found in _strings(inner)]
    return [found for inner in value for found in _strings(inner)] if isinstance(value, list) else []
