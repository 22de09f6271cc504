"""Ask: search the stores, then answer in the words of what was found."""

from __future__ import annotations

from ragstone.answer.extract import extract
from ragstone.domain import Answer, Question
from ragstone.ports import Embedder, Index
from ragstone.retrieve.search import search


async def ask(question: Question, index: Index, embedder: Embedder) -> Answer:
    """An answer whose every sentence is cited and checked, or the word that the evidence does not suffice.

    Raises:
        InvalidQuestionError: The question cannot be searched.
        DatabaseError: The database went away.
    """
    results = await search(question, index, embedder)
    return await extract(question, results, embedder, index.quote)
