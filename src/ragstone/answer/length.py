"""How long texts are for a language model, whose own count is known only when it has answered."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.domain import Message
from ragstone.ports import Tokenizer

EACH = 8  # tokens around a message

_MORE = 1.25  # tokens of a model for one of the tokenizer's: an allowance, vocabularies differ
_BYTES = 3.5  # of UTF-8 for a token, at least: what the tokenizer does not know, it counts as one token a word


def tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    """How many tokens of a language model each text takes, rather too many than too few."""
    counts = tokenizer.count(texts)
    return [
        round(max(_MORE * count, len(text.encode(errors="replace")) / _BYTES))
        for count, text in zip(counts, texts, strict=True)
    ]


def length(tokenizer: Tokenizer, messages: Sequence[Message]) -> int:
    """Tokens of these messages, rather too many than too few."""
    return sum(tokens(tokenizer, [message.text for message in messages])) + EACH * len(messages)
