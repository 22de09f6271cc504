"""What an answer is made with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ragstone.answer.tally import Counted, Tally
from ragstone.answer.task import Task
from ragstone.domain import AnswerOptions, Question, Results, Rewriting, Store, Strategy, Unsupported
from ragstone.ports import AnswerCache, ChatModel, Embedder, Index, Meter, Reranker, Tokenizer
from ragstone.prompts import Prompts
from ragstone.retrieve.find import Finding, find

# Keys of a store's metadata that steer the answers from it.
STRATEGY, REWRITING, UNSUPPORTED = "ragstone_strategy", "ragstone_rewriting", "ragstone_unsupported"

_Choice = TypeVar("_Choice", Strategy, Rewriting, Unsupported)

DEFAULTS = AnswerOptions(Strategy.DIRECT, Rewriting.CONDENSE, Unsupported.MARK, max_tokens=1024)


@dataclass(frozen=True)
class Kit:
    """Everything that answers one asker; without a language model the documents' own words do."""

    index: Index
    embedder: Embedder
    tokenizer: Tokenizer
    llm: ChatModel | None = None
    reranker: Reranker | None = None
    cache: AnswerCache | None = None
    meter: Meter | None = None
    prompts: Prompts = field(default_factory=Prompts)
    defaults: AnswerOptions = DEFAULTS  # none of its choices is None
    seconds: float = 60.0  # for an answer
    candidates: int = 30  # passages that are reranked
    similarity: float | None = None  # cosine from which two questions are the same for the cache

    def settled(self, question: Question) -> Question:
        """The question with options that leave nothing open: its own, else its store's, else the defaults.

        Several stores that want different things want nothing.
        """
        asked, default = question.options, self.defaults
        wanted = _wanted(question.stores)
        options = replace(
            asked,
            strategy=asked.strategy or wanted.strategy or default.strategy,
            rewriting=asked.rewriting or wanted.rewriting or default.rewriting,
            unsupported=asked.unsupported or wanted.unsupported or default.unsupported,
            max_tokens=asked.max_tokens or default.max_tokens,
        )
        return replace(question, options=options)

    @property
    def finding(self) -> Finding:
        """What questions are searched with as they are."""
        return Finding(self.index, self.embedder, self.prompts, None, self.reranker, self.candidates, self.seconds)

    def rewriting(self, tally: Tally) -> Finding:
        """What questions are searched with as their options say; what it takes to rewrite them is counted."""
        assert self.llm is not None
        return replace(self.finding, llm=Counted(self.llm, self.tokenizer, tally))

    def task(self, question: Question, results: Results, deadline: float, tally: Tally) -> Task:
        """The question on its way through the language model; the time for it ends at `deadline`."""
        assert self.llm is not None

        async def search(text: str) -> Results:  # a strategy has worded it itself
            return await find(replace(question, text=text, history=()), self.finding)

        return Task(
            question,
            results,
            self.llm,
            self.embedder,
            self.index,
            self.tokenizer,
            self.prompts,
            search,
            deadline,
            tally,
        )

    def deadline(self) -> float:
        """When an answer that is begun now has to be there, on the event loop's clock."""
        return asyncio.get_running_loop().time() + self.seconds


def _wanted(stores: tuple[Store, ...]) -> AnswerOptions:
    """What the stores say with one voice."""
    return AnswerOptions(
        strategy=_choice(stores, STRATEGY, Strategy),
        rewriting=_choice(stores, REWRITING, Rewriting),
        unsupported=_choice(stores, UNSUPPORTED, Unsupported),
    )


def _choice(stores: tuple[Store, ...], key: str, kind: type[_Choice]) -> _Choice | None:
    """What all of the stores have chosen; None if they differ, or have not chosen."""
    said = {store.metadata.get(key) for store in stores}
    return next((choice for choice in kind if said == {choice.value}), None)
