"""What a call took, in tokens and money."""

from __future__ import annotations

import math
from dataclasses import replace

from ragstone.domain import ChatRequest, Usage
from ragstone.settings.models import Model

_CHARACTERS_PER_TOKEN = 4  # of English prose, as the tokenizers of the large models have it
_AROUND_MESSAGE = 4  # tokens that a chat template puts around each message


def tokens_of(characters: int) -> int:
    """About how many tokens so many characters are."""
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def estimated(model: Model, request: ChatRequest, written: int = 0) -> Usage:
    """What a call takes as far as can be told without its server; `written` is in characters."""
    read = sum(tokens_of(len(message.text)) + _AROUND_MESSAGE for message in request.messages)
    return priced(model, Usage(input_tokens=read, output_tokens=tokens_of(written), calls=1))


def priced(model: Model, usage: Usage) -> Usage:
    """The usage with what its tokens cost at this model."""
    price = model.price
    cached_price = price.input if price.cached_input is None else price.cached_input
    cached = min(usage.cached_tokens, usage.input_tokens)
    cost = (usage.input_tokens - cached) * price.input + cached * cached_price + usage.output_tokens * price.output
    return replace(usage, cost=cost / 1e6)
