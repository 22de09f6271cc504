"""What is searched for instead of a question's own words: a language model words it, or the words stay."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from ragstone.domain import ChatRequest, Ended, Finish, Question, Rewriting
from ragstone.errors import ModelUnavailableError, PromptRefusedError, PromptTooLongError
from ragstone.ports import ChatModel
from ragstone.prompts import Prompts
from ragstone.prompts.quoting import conversation, defused
from ragstone.prompts.replies import listed
from ragstone.retrieve.check import MAX_CHARACTERS
from ragstone.text import analyzer

QUERIES = 4  # that are searched for at most

_TEMPLATES = {
    Rewriting.CONDENSE: "condense",
    Rewriting.MULTI_QUERY: "multi_query",
    Rewriting.DECOMPOSE: "decompose",
}
# What other words find counts less than what the question's own words do: if it counted the same, they would cost more
# than they bring (benchmarks/rewriting.py, shortened-claude-docs: nDCG@10 .782 instead of .829, and .808 without them).
_BESIDE = 0.8

_MAX_TOKENS = 512  # a few lines, and what some models think before them
_LONGEST = 1_000  # characters of a query

_ANSWERED = re.compile(r"(?:asker|assistant|user|answer)\s*:", re.IGNORECASE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wording:
    """What to search for."""

    queries: tuple[str, ...]
    whole: str  # the question as it can be understood alone
    weight: float = 1.0  # of what every query but the first finds
    parts: bool = False  # whether they ask for different things, so that each has to find something


def needs_rewriting(question: Question) -> bool:
    """Whether its options ask for other words; to condense a question takes something that was said before it."""
    way = question.options.rewriting or Rewriting.NONE
    return way is not Rewriting.NONE and (way is not Rewriting.CONDENSE or bool(conversation(question.history)))


async def rewrite(question: Question, llm: ChatModel, prompts: Prompts, seconds: float) -> Wording:
    """The question in the words that its options ask for, or as `unaided` when the model cannot or writes nonsense.

    Costs one call, and none for a question that needs no rewriting.
    """
    way = question.options.rewriting
    if way is None or not needs_rewriting(question):
        return Wording((question.text,), question.text)
    before = defused(conversation(question.history))
    messages = prompts[_TEMPLATES[way]].messages(conversation=before, question=defused(question.text))
    request = ChatRequest(messages, max_tokens=_MAX_TOKENS, temperature=0.0, seconds=seconds)
    try:
        said, finish = await _said(llm, request)
    except (ModelUnavailableError, PromptTooLongError, PromptRefusedError) as error:
        _log.warning("A question is searched in its own words, because no model rewrites it: %s", error)
        return unaided(question)
    lines = listed(said)
    if finish is Finish.LENGTH:
        lines = lines[:-1]  # it is cut off
    lines = _sensible(lines, question)
    if not lines:
        return unaided(question)
    return _follow_up(lines, way) if before else _alone(question.text, lines, way)


def unaided(question: Question) -> Wording:
    """What to search for without a model: the question's own words, and those behind what was asked before it.

    Both together find more than either (benchmarks/rewriting.py, follow-ups): nDCG@10 .942 against .893 and .903.
    """
    together = f"{question.earlier} {question.text}"
    if not question.earlier.strip() or len(together) > MAX_CHARACTERS:
        return Wording((question.text,), question.text)
    return Wording((question.text, together), together)


async def _said(llm: ChatModel, request: ChatRequest) -> tuple[str, Finish]:
    text = ""
    async with aclosing(llm.chat(request)) as events:
        async for event in events:
            if isinstance(event, Ended):
                return text, event.finish
            text += event.text
    raise AssertionError("a chat ends with an Ended or an error")


def _sensible(lines: Sequence[str], question: Question) -> list[str]:
    """The lines that can be queries, from the first on that has to do with what was said."""
    fit = [line for line in lines if _is_query(line)]
    topic = _terms("\n".join((question.text, *(message.text for message in question.history))), question)
    near = [place for place, line in enumerate(fit) if not topic or topic & _terms(line, question)]
    return fit[near[0] :] if near else []


def _is_query(line: str) -> bool:
    return len(line) <= _LONGEST and any(map(str.isalnum, line)) and not _ANSWERED.match(line)


def _terms(text: str, question: Question) -> set[str]:
    languages = {store.language for store in question.stores}
    return {term for language in languages for term in analyzer.terms(text, language)}


def _alone(own: str, lines: list[str], way: Rewriting) -> Wording:
    """Of a question that can be understood alone: other words beside its own, or its parts."""
    if way is Rewriting.DECOMPOSE:
        return Wording(tuple(lines[:QUERIES]) if len(lines) > 1 else (own,), own, parts=True)
    others = [line for line in lines if line.casefold() != own.casefold()]
    return Wording((own, *others)[:QUERIES], own, weight=_BESIDE)


def _follow_up(lines: list[str], way: Rewriting) -> Wording:
    """Of a question that leans on what was said before."""
    if way is Rewriting.CONDENSE:
        return Wording((lines[0],), lines[0])
    queries = tuple(lines[:QUERIES])
    if way is Rewriting.MULTI_QUERY:
        return Wording(queries, queries[0], weight=_BESIDE)
    return Wording(queries, " ".join(queries), parts=True)
