"""What a model writes to come to its answer is not the answer."""

from __future__ import annotations

import pytest
from answer_samples import hit
from written_answers import answer_in, marked, task_of, told

from ragstone.answer.strategies.chain_of_thought import chain_of_thought
from ragstone.domain import Answer, Finish, GroundingStatus
from ragstone.errors import ModelBrokeOffError, ModelUnavailableError
from ragstone.fakes.chat import Line, Reply, ScriptedChat

pytestmark = pytest.mark.anyio

BOILS = "Water boils at 100 degrees at sea level."
FREEZES = "Water freezes at 0 degrees."
HITS = [hit(f"{BOILS} Tea is a drink."), hit(f"{FREEZES} Ice floats on lakes.", "file_2")]
CUT_OFF = Reply("REASONING: Passage 1 says a secret. Then", finish=Finish.LENGTH)


async def concluded(*lines: Line) -> Answer:
    return answer_in(await told(chain_of_thought(task_of(HITS, ScriptedChat(*lines)))))


def broken(text: str) -> Reply:
    return Reply(text, error=ModelBrokeOffError("It fell silent"))


@pytest.mark.parametrize("begun", ["Water freezes", f"{BOILS} [1] Water freezes"])
async def test_the_reasoning_of_a_model_that_goes_on_is_hidden_as_well(begun: str) -> None:
    first = broken(f"REASONING: one.\nANSWER: {begun}")
    answer = await concluded(first, f"REASONING: my secret steps.\nANSWER: {FREEZES} [2]")
    assert answer.text.removeprefix(BOILS).strip() == FREEZES
    assert answer.status is GroundingStatus.SUPPORTED


async def test_a_model_that_goes_on_without_reasoning_is_heard() -> None:
    answer = await concluded(broken(f"REASONING: one.\nANSWER: {BOILS} Water freezes"), f"{FREEZES} [2]")
    assert answer.text == f"{BOILS} {FREEZES}"


async def test_a_thought_that_speaks_of_the_answer_is_hidden() -> None:
    answer = await concluded(f"<think>I write\nANSWER: secret.\n</think>\nREASONING: p1.\nANSWER: {BOILS}")
    assert answer.text == BOILS


async def test_reasoning_that_comes_to_no_answer_says_nothing() -> None:
    with pytest.raises(ModelUnavailableError, match="said nothing: it ended with length"):
        await concluded(CUT_OFF)


async def test_an_answer_whose_second_model_says_nothing_stays_as_it_is() -> None:
    answer = await concluded(broken(f"ANSWER: {BOILS} Lakes are"), CUT_OFF)
    assert answer.text == f"{BOILS} Lakes are"
    assert "said nothing" in answer.provenance.degraded
    assert marked(answer) == ["Lakes are"]
