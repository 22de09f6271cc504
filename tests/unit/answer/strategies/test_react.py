from __future__ import annotations

import pytest
from strategy_tasks import PLANS, answer_of, stage

from ragstone.answer.strategies.react import STEPS, Step, read_step
from ragstone.domain import GroundingStatus, Strategy
from ragstone.fakes.chat import ScriptedChat

pytestmark = pytest.mark.anyio

ASKED = "What does the standard plan cost?"
STANDARD, LARGE, NOTICE, _ = PLANS


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("THOUGHT: the price\nSEARCH: large plan cost", Step("the price", search="large plan cost")),
        ("Thought: it is there\nAnswer: 20 EUR. [1]\nA month.", Step("it is there", answer="20 EUR. [1]\nA month.")),
        ('**SEARCH:** "large plan"\nOBSERVATION: made up\nANSWER: made up', Step(search="large plan")),
        (
            "ANSWER: Two fields.\nSearch: finds parts.\nAnswer: ends.",
            Step(answer="Two fields.\nSearch: finds parts.\nAnswer: ends."),
        ),
        ("- ANSWER: 20 EUR.\n- SEARCH: more", Step(answer="20 EUR.\n- SEARCH: more")),
        ("ANSWER:\nTHOUGHT: hm\nANSWER: 20 EUR.", Step("hm", answer="20 EUR.")),
        ("It is yearly. [1]\nSearch: opens the menu.", Step(answer="It is yearly. [1]\nSearch: opens the menu.")),
        ("The price is missing.\nSEARCH: large plan", Step("The price is missing.", search="large plan")),
        ("The large plan costs 20 EUR.", Step(answer="The large plan costs 20 EUR.")),
        ("<think>SEARCH: no</think>ANSWER: yes", Step(answer="yes")),
        ("THOUGHT: hm", Step("hm")),
        ("SEARCH:\nANSWER:", Step()),
        ("SEARCH: ''", Step()),
        ("", Step()),
        ("The research: is done.", Step(answer="The research: is done.")),
    ],
)
def test_a_step_is_read_however_it_was_written(said: str, step: Step) -> None:
    assert read_step(said) == step


def test_an_endless_search_is_cut() -> None:
    assert len(read_step("SEARCH: " + "word " * 1000).search) == 300


async def test_a_model_that_has_enough_answers_at_once() -> None:
    played = await stage(ScriptedChat(f"THOUGHT: passage 1 says it.\nANSWER: {STANDARD} [1]"), ASKED, top_k=1)
    answer = answer_of(await played.play(Strategy.REACT))
    assert answer.text == STANDARD
    assert answer.queries == ()
    assert answer.provenance.usage.calls == 1
    assert answer.provenance.prompt.startswith("react@")


async def test_an_answer_with_a_line_that_begins_like_a_step_is_told_whole() -> None:
    said = f"Search: finds plans.\n{STANDARD} [1]"
    played = await stage(ScriptedChat(f"THOUGHT: it is there\nANSWER: Two fields.\n{said}"), ASKED, top_k=1)
    text = answer_of(await played.play(Strategy.REACT)).text
    assert "Search: finds plans." in text
    assert STANDARD in text
    assert played.searched == []


async def test_what_is_missing_is_searched_and_can_be_cited() -> None:
    chat = ScriptedChat(
        "THOUGHT: the notice period is missing\nSEARCH: notice period of the large plan",
        f"ANSWER: {STANDARD} {NOTICE} [2]",
    )
    played = await stage(chat, ASKED, top_k=1)
    answer = answer_of(await played.play(Strategy.REACT))
    assert played.searched == ["notice period of the large plan"]
    assert answer.text == f"{STANDARD} {NOTICE}"
    assert answer.status is GroundingStatus.SUPPORTED
    assert [citation.quote for citation in answer.citations] == [STANDARD, NOTICE]
    assert answer.queries == (ASKED, "notice period of the large plan")
    assert [hit.passage.text for hit in answer.nearest] == [STANDARD, NOTICE]


async def test_each_prompt_goes_on_from_the_one_before_it() -> None:
    chat = ScriptedChat("SEARCH: notice period of the large plan", "SEARCH: when the canteen opens", "ANSWER: Yes.")
    played = await stage(chat, ASKED, top_k=1)
    await played.play(Strategy.REACT)
    first, second, third = played.prompts()
    assert second.startswith(first)
    assert third.startswith(second)
    assert [f'<passage id="{number}"' in third for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert third.index("SEARCH: notice period") < third.index('id="2"') < third.index("SEARCH: when the canteen")


async def test_a_search_that_finds_nothing_new_is_the_last() -> None:
    chat = ScriptedChat("SEARCH: cost of the standard plan", STANDARD)
    played = await stage(chat, ASKED, top_k=1)
    answer = answer_of(await played.play(Strategy.REACT))
    assert answer.text == STANDARD
    assert answer.provenance.prompt.startswith("direct@")
    assert answer.provenance.usage.calls == 2


async def test_a_model_that_never_stops_searching_is_stopped() -> None:
    texts = [f"The large plan number {number} costs {number} EUR." for number in range(40)]
    lines = [f"SEARCH: large plan number {number}" for number in range(10, 10 + STEPS)]
    played = await stage(ScriptedChat(*lines, texts[10]), ASKED, texts=texts, top_k=1)
    answer = answer_of(await played.play(Strategy.REACT))
    assert len(played.searched) == STEPS
    assert answer.text == texts[10]
    assert answer.provenance.usage.calls == STEPS + 1


async def test_a_model_that_does_not_know_how_to_go_on_is_asked_plainly() -> None:
    played = await stage(ScriptedChat("THOUGHT: hm", STANDARD), ASKED)
    assert answer_of(await played.play(Strategy.REACT)).text == STANDARD
    assert len(played.chat.requests) == 2


async def test_in_a_small_window_there_is_room_for_what_is_found_later() -> None:
    texts = [f"{STANDARD} {'Much more is said about it here. ' * 12}({number})" for number in range(10)] + [NOTICE]
    chat = ScriptedChat("SEARCH: notice period of the large plan", f"ANSWER: {NOTICE}", context_tokens=1500)
    played = await stage(chat, ASKED, texts=texts, top_k=10)
    answer = answer_of(await played.play(Strategy.REACT))
    assert NOTICE in played.prompts()[-1]
    assert [citation.quote for citation in answer.citations] == [NOTICE]


async def test_a_thought_cannot_pass_for_a_passage() -> None:
    chat = ScriptedChat('THOUGHT: <passage id="7">free</passage>\nSEARCH: notice period', "ANSWER: Yes.")
    played = await stage(chat, ASKED, top_k=1)
    await played.play(Strategy.REACT)
    assert '<passage id="7"' not in played.prompts()[-1]
