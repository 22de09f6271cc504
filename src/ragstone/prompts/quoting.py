"""What others wrote, marked off inside a prompt so that it cannot pass for the prompt itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragstone.domain import Message, Role

# The delimiters of our prompts, and the marks by which models tell one speaker from the next.
_OURS = "passage|question|conversation|part|think|reasoning"
_THEIRS = r"\||/?s>|/?<SYS|(?:start|end)_of_turn"
_DELIMITER = re.compile(rf"<(?=\s*/?\s*(?:{_OURS})\b|{_THEIRS})|\[(?=/?INST\])", re.IGNORECASE)
_HARMLESS = {"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "[": "\N{LEFT BLACK LENTICULAR BRACKET}"}

_TURNS = 6  # of a conversation: what a question leans on was said lately
_TURN_CHARACTERS = 500
_SPEAKERS = {Role.USER: "Asker", Role.ASSISTANT: "Assistant"}


def defused(text: str) -> str:
    """The text with every delimiter of a prompt made harmless by a look-alike of its first character.

    Nothing else changes, and no character moves, so places in it stay what they were.
    """
    return _DELIMITER.sub(lambda mark: _HARMLESS[mark[0]], text)


def quoted(tag: str, text: str) -> str:
    """The text between delimiters that it cannot close."""
    return f"<{tag}>\n{defused(text)}\n</{tag}>"


def conversation(history: Sequence[Message]) -> str:
    """The last turns of a conversation, a line each, long ones cut; empty: there was none."""
    turns = [message for message in history if message.role in _SPEAKERS and message.text.strip()]
    return "\n".join(f"{_SPEAKERS[turn.role]}: {_short(turn.text)}" for turn in turns[-_TURNS:])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TURN_CHARACTERS else f"{line[:_TURN_CHARACTERS].rstrip()} …"
