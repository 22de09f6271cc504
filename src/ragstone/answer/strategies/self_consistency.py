"""Several answers to one question, of which the one is told that most of them agree with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import numpy as np
import numpy.typing as npt

from ragstone.answer import wording
from ragstone.answer.context import pack
from ragstone.answer.generate import draft, recite
from ragstone.answer.marks import Cleaner
from ragstone.answer.strategies.together import together
from ragstone.answer.task import Task
from ragstone.domain import AnswerEvent
from ragstone.errors import ModelUnavailableError
from ragstone.ports import Embedder
from ragstone.prompts.replies import spoken

SAMPLES = 5
TEMPERATURE = 0.7  # as in the source below; without chance there is nothing to vote on

# Cosine from which two answers say the same, if nothing speaks against it. Of 150 answers that people wrote (ClapNQ),
# 83 % are that near to the sentences they were made of, and 1 % to an answer to another question.
_AGREE = 0.8
_SHORT = 150  # characters in which a "not" turns the whole round


async def self_consistency(task: Task) -> AsyncGenerator[AnswerEvent, None]:
    """Ask five times at once and tell the answer at the heart of the largest group that agrees; five calls.

    Source: Wang et al., Self-Consistency Improves Chain of Thought Reasoning in Language Models, 2022; with free
    texts instead of single values, likeness of meaning stands for equality.

    Raises:
        ModelUnavailableError: Before anything was written: no model can be asked.
        PromptTooLongError: Before anything was written: not even half of the passages fits.
        PromptRefusedError: Before anything was written: the server does not take it.
    """
    template = task.prompts["direct"]
    context = pack(task, template)
    calls = [draft(task, template, context, temperature=TEMPERATURE) for _ in range(SAMPLES)]
    drafts = [said for said in await together(calls) if said is not None and spoken(said.text)]
    if not drafts:
        raise ModelUnavailableError("The model said nothing", why=f"in {SAMPLES} attempts")
    chosen = drafts[await elected([spoken(said.text) for said in drafts], task.embedder)]
    async with aclosing(recite(task, template, chosen, context)) as events:
        async for event in events:
            yield event


async def elected(answers: Sequence[str], embedder: Embedder) -> int:
    """The place of the answer that most others agree with; among equals the one nearest to those, then the first.

    Answers agree when they mean nearly the same and do not differ in what an embedder hardly sees: numbers, opposites
    and, in short ones, a "not".
    """
    bare = [_bare(answer) for answer in answers]
    likeness = await _likeness(bare, embedder)
    differ = np.array([[_differ(one, other) for other in bare] for one in bare])
    agree = ~differ & (likeness >= _AGREE)
    nearness = np.where(agree, likeness, 0.0).sum(axis=1) / agree.sum(axis=1)
    return int(np.lexsort((-nearness, -agree.sum(axis=1)))[0])


def _bare(answer: str) -> str:
    """Its words; the ids of the passages that it names are no numbers of what it states."""
    cleaner = Cleaner()
    cleaned = (*cleaner.feed(answer), *cleaner.end())
    return " ".join("".join(words for words in cleaned if isinstance(words, str)).split())


def _differ(one: str, other: str) -> bool:
    """Whether two answers cannot both be right."""
    if one == other:
        return False
    if not (_covers(one, other) and _covers(other, one)):
        return True
    if wording.opposed(one, other) or wording.opposed(other, one):
        return True
    return max(len(one), len(other)) <= _SHORT and wording.differ(one, other)


def _covers(one: str, other: str) -> bool:
    """Whether every number of the one is in the other."""
    known = wording.numbers(other)
    return all(any(number.equals(twin) for twin in known) for number in wording.numbers(one))


async def _likeness(texts: Sequence[str], embedder: Embedder) -> npt.NDArray[np.float64]:
    """Cosines between all of them, shape (n, n); equal texts are alike whatever the embedder says, others if it does.

    An embedder that cannot be asked now does not cost the answers, which are paid for.
    """
    equal = np.array([[one.casefold() == other.casefold() for other in texts] for one in texts])
    try:
        vectors = await embedder.embed_passages(texts)
    except ModelUnavailableError:
        return equal.astype(np.float64)
    return np.where(equal, 1.0, (vectors @ vectors.T).astype(np.float64))
