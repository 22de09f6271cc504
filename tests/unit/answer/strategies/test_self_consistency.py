from __future__ import annotations

from collections.abc import Sequence

import pytest
from strategy_tasks import answer_of, stage

from ragstone.answer.strategies.self_consistency import SAMPLES, TEMPERATURE, elected
from ragstone.domain import Matrix, Strategy
from ragstone.errors import ModelUnavailableError
from ragstone.fakes.chat import ScriptedChat
from ragstone.fakes.models import HashingEmbedder

pytestmark = pytest.mark.anyio

ASKED = "What does the large plan cost?"
CONSISTENT = Strategy.SELF_CONSISTENCY


@pytest.mark.parametrize(
    ("answers", "best"),
    [
        (["It costs 20 EUR."], 0),
        (["It costs 12 EUR.", "It costs 20 EUR.", "It costs 20 EUR. [2]"], 1),
        (["It costs 20 EUR.", "It costs 12 EUR."], 0),
        (["No idea whatsoever", "Twenty euros", "the moon is round", "twenty euros [1]"], 1),
        (["It is allowed.", "It is not allowed.", "It is not allowed."], 1),
        (["INSUFFICIENT EVIDENCE", "It costs 20 EUR.", "INSUFFICIENT EVIDENCE"], 0),
        (["The limit was increased.", "The limit was decreased.", "The limit was decreased."], 1),
        (["It costs 1,000 EUR.", "It costs 500 EUR.", "It costs 1000 EUR."], 0),
        (["", "", "Yes."], 0),
    ],
)
async def test_the_answer_that_most_agree_with_is_elected(answers: list[str], best: int) -> None:
    assert await elected(answers, HashingEmbedder()) == best


@pytest.mark.parametrize(
    "marks",
    [
        ("[1, 2]", "[2, 3]", "[1, 3]"),
        ("[Passage 1]", "[Passage 2]", "[Passage 3]"),
        ("[1-2]", "[3]", "[1-3]"),
        ("【1】", "【2】", "【3】"),
    ],
)
async def test_a_majority_is_one_whatever_passages_its_answers_name(marks: tuple[str, ...]) -> None:
    answers = ["It costs 12 EUR.", "It costs 12 EUR.", *(f"It costs 20 EUR {mark}." for mark in marks)]
    assert await elected(answers, HashingEmbedder()) >= 2


async def test_without_an_embedder_equal_answers_agree() -> None:
    class Unavailable(HashingEmbedder):
        async def embed_passages(self, texts: Sequence[str]) -> Matrix:
            raise ModelUnavailableError("Its minute is used up", why=f"after {len(texts)} texts", retry_after=60.0)

    answers = ["It costs much.", "It costs 12 EUR.", "it costs 12 EUR. [2]"]
    assert await elected(answers, Unavailable()) == 1


async def test_of_those_that_agree_the_one_in_their_middle_is_elected() -> None:
    words = ["the", "large", "plan", "costs", "more", "than", "the", "standard", "plan", "does"]
    answers = [" ".join([*words, "today", "already"]), " ".join([*words, "today"]), " ".join([*words, "now", "today"])]
    assert await elected(answers, HashingEmbedder()) == 1


async def test_all_samples_are_asked_at_once_and_with_chance() -> None:
    played = await stage(ScriptedChat("The large plan costs 20 EUR a month. [1]"), ASKED)
    await played.play(CONSISTENT)
    assert [request.temperature for request in played.chat.requests] == [TEMPERATURE] * SAMPLES
    assert len({request.messages for request in played.chat.requests}) == 1


async def test_the_majority_is_told_and_not_the_first() -> None:
    right = "The large plan costs 20 EUR a month."
    chat = ScriptedChat("It costs 12 EUR.", right, "It costs 99 EUR.", right, right)
    assert answer_of(await (await stage(chat, ASKED)).play(CONSISTENT)).text == right


async def test_samples_that_fail_are_left_out_of_the_vote() -> None:
    down, right = ModelUnavailableError("down"), "The large plan costs 20 EUR a month."
    chat = ScriptedChat(down, right, down, down, down)
    answer = answer_of(await (await stage(chat, ASKED)).play(CONSISTENT))
    assert answer.text == right
    assert answer.provenance.usage.calls == 1


async def test_samples_that_say_nothing_have_no_vote() -> None:
    right = "The large plan costs 20 EUR a month."
    answer = answer_of(await (await stage(ScriptedChat("", "<think>hm", "", right, ""), ASKED)).play(CONSISTENT))
    assert answer.text == right
    with pytest.raises(ModelUnavailableError, match="said nothing"):
        await (await stage(ScriptedChat(""), ASKED)).play(CONSISTENT)
