"""How a language model comes to its answer: each way as a generator of what it writes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ragstone.answer.strategies.chain_of_thought import chain_of_thought
from ragstone.answer.strategies.direct import direct
from ragstone.answer.strategies.divide_and_conquer import divide_and_conquer
from ragstone.answer.strategies.few_shot import few_shot
from ragstone.answer.strategies.react import react
from ragstone.answer.strategies.self_consistency import self_consistency
from ragstone.answer.task import Task
from ragstone.domain import AnswerEvent, Strategy

Answering: TypeAlias = Callable[[Task], AsyncGenerator[AnswerEvent, None]]

STRATEGIES: Mapping[Strategy, Answering] = MappingProxyType(
    {
        Strategy.DIRECT: direct,
        Strategy.FEW_SHOT: few_shot,
        Strategy.CHAIN_OF_THOUGHT: chain_of_thought,
        Strategy.SELF_CONSISTENCY: self_consistency,
        Strategy.DIVIDE_AND_CONQUER: divide_and_conquer,
        Strategy.REACT: react,
    }
)
