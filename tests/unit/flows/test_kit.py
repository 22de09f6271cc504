"""Options of an answer: the request's own, else its store's, else those of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from ragstone.domain import AnswerOptions, EmbeddingModel, Question, Rewriting, Store, Strategy, Unsupported
from ragstone.fakes.memory import Memory, MemoryIndex
from ragstone.fakes.models import HashingEmbedder, WordTokenizer
from ragstone.flows.kit import Kit


def store(number: int, metadata: Mapping[str, str]) -> Store:
    model = EmbeddingModel("m", 8, 256)
    return Store(number, f"vs_{number}", f"s{number}", model, "english", datetime.now(UTC), metadata)


def settled(options: AnswerOptions, *metadata: Mapping[str, str]) -> AnswerOptions:
    defaults = AnswerOptions(Strategy.DIRECT, Rewriting.CONDENSE, Unsupported.MARK, max_tokens=100)
    kit = Kit(MemoryIndex(Memory()), HashingEmbedder(), WordTokenizer(), defaults=defaults)
    stores = tuple(store(number, given) for number, given in enumerate(metadata))
    return kit.settled(Question("Why?", stores, options=options)).options


def test_a_request_that_says_nothing_follows_its_store_and_then_the_settings() -> None:
    found = settled(AnswerOptions(), {"ragstone_strategy": "react"})
    assert found.strategy is Strategy.REACT
    assert (found.rewriting, found.unsupported, found.max_tokens) == (Rewriting.CONDENSE, Unsupported.MARK, 100)


def test_what_a_request_says_stands_above_its_store() -> None:
    asked = AnswerOptions(Strategy.FEW_SHOT, max_tokens=7, temperature=0.0, cached=False, instructions="Be brief.")
    found = settled(asked, {"ragstone_strategy": "react", "ragstone_unsupported": "remove"})
    assert (found.strategy, found.unsupported) == (Strategy.FEW_SHOT, Unsupported.REMOVE)
    assert (found.max_tokens, found.temperature, found.cached, found.instructions) == (7, 0.0, False, "Be brief.")


@pytest.mark.parametrize(
    "metadata",
    [
        ({"ragstone_rewriting": "decompose"}, {"ragstone_rewriting": "none"}),
        ({"ragstone_rewriting": "decompose"}, {}),
        ({"ragstone_rewriting": "shout"},),
    ],
)
def test_stores_that_differ_or_say_nonsense_choose_nothing(metadata: tuple[Mapping[str, str], ...]) -> None:
    assert settled(AnswerOptions(), *metadata).rewriting is Rewriting.CONDENSE


def test_stores_that_agree_choose_together() -> None:
    both = {"ragstone_rewriting": "multi_query"}
    assert settled(AnswerOptions(), both, both).rewriting is Rewriting.MULTI_QUERY
