"""Tokens that language models read and wrote, as the two interfaces count them."""

from __future__ import annotations

from ragstone.domain import Usage


def of_response(spent: Usage) -> dict[str, object]:
    """As a response counts them."""
    return {
        "input_tokens": spent.input_tokens,
        "input_tokens_details": {"cached_tokens": spent.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": spent.output_tokens,
        "output_tokens_details": {"reasoning_tokens": spent.reasoning_tokens},
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }


def of_chat(spent: Usage) -> dict[str, object]:
    """As a chat completion counts them."""
    return {
        "prompt_tokens": spent.input_tokens,
        "prompt_tokens_details": {"cached_tokens": spent.cached_tokens},
        "completion_tokens": spent.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": spent.reasoning_tokens},
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }
