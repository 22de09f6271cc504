from __future__ import annotations

import asyncio

import pytest
from answer_samples import Shelf, hit
from written_answers import answer_in, marked, task_of, told

from ragstone.answer.context import pack
from ragstone.answer.extract import NOTHING_FOUND
from ragstone.answer.generate import draft, recite, speak
from ragstone.answer.strategies.direct import direct
from ragstone.answer.task import Completion
from ragstone.domain import (
    Answer,
    AnswerEvent,
    ChatRequest,
    Finish,
    GroundingStatus,
    Message,
    Role,
    Unsupported,
    Wrote,
)
from ragstone.errors import (
    ModelBrokeOffError,
    ModelUnavailableError,
    PromptRefusedError,
    PromptTooLongError,
    RagstoneError,
)
from ragstone.fakes.chat import Line, Reply, ScriptedChat

pytestmark = pytest.mark.anyio

BOILS = "Water boils at 100 degrees at sea level."
FREEZES = "Water freezes at 0 degrees."
MILK = "Milk is delivered every Tuesday morning."
HITS = [hit(f"{BOILS} Tea is a drink."), hit(f"{FREEZES} Ice floats on lakes.", "file_2")]
INVENTED = "Whales sing long songs about the moon."


async def spoken(*lines: Line, policy: Unsupported = Unsupported.MARK, behind: str = "") -> list[AnswerEvent]:
    task = task_of(HITS, ScriptedChat(*lines), policy=policy)
    template = task.prompts["direct"]
    return await told(speak(task, template, pack(task, template), behind=behind))


async def answered(*lines: Line, policy: Unsupported = Unsupported.MARK) -> Answer:
    return answer_in(await spoken(*lines, policy=policy))


def quotes(answer: Answer) -> list[str]:
    return [citation.quote for citation in answer.citations]


async def test_a_sentence_is_cited_with_the_words_that_support_it() -> None:
    answer = await answered(f"{BOILS} [1] {FREEZES} [2]")
    assert answer.text == f"{BOILS} {FREEZES}"
    assert quotes(answer) == [BOILS, FREEZES]
    assert [citation.file_id for citation in answer.citations] == ["file_1", "file_2"]
    assert [citation.answer_index for citation in answer.citations] == [len(BOILS), len(answer.text)]
    assert all(citation.verified for citation in answer.citations)
    assert answer.status is GroundingStatus.SUPPORTED


@pytest.mark.parametrize("mark", ["", " [2]", " [77]", " [1][2]", "【2†source】", " (passage 2)"])
async def test_a_model_that_names_no_or_the_wrong_passage_is_cited_rightly(mark: str) -> None:
    answer = await answered(f"{BOILS}{mark}")
    assert answer.text == BOILS
    assert [(citation.file_id, citation.quote) for citation in answer.citations] == [("file_1", BOILS)]


async def test_a_sentence_that_nothing_supports_is_marked() -> None:
    answer = await answered(f"{BOILS} {INVENTED} {FREEZES}")
    assert answer.text == f"{BOILS} {INVENTED} {FREEZES}"
    assert marked(answer) == [INVENTED]
    assert quotes(answer) == [BOILS, FREEZES]
    assert answer.status is GroundingStatus.PARTIAL


async def test_a_sentence_that_nothing_supports_is_removed_where_that_is_the_policy() -> None:
    answer = await answered(f"{INVENTED} {BOILS} {INVENTED}\n\n{FREEZES}", policy=Unsupported.REMOVE)
    assert answer.text == f"{BOILS}\n\n{FREEZES}"
    assert answer.unsupported == ()
    assert answer.status is GroundingStatus.SUPPORTED


async def test_nothing_that_is_removed_was_shown_before() -> None:
    events = await spoken(f"{BOILS} {INVENTED}", policy=Unsupported.REMOVE)
    assert "Whales" not in "".join(event.text for event in events if isinstance(event, Wrote))


async def test_what_leads_to_removed_sentences_only_is_removed_with_them() -> None:
    said = f"On whales:\n\n- {INVENTED}\n\nOn water:\n\n- {BOILS}"
    answer = await answered(said, policy=Unsupported.REMOVE)
    assert answer.text == f"On water:\n\n- {BOILS}"


@pytest.mark.parametrize(
    ("policy", "text"), [(Unsupported.MARK, f"{INVENTED} {INVENTED}"), (Unsupported.REMOVE, NOTHING_FOUND)]
)
async def test_an_answer_of_which_nothing_is_supported_has_insufficient_evidence(
    policy: Unsupported, text: str
) -> None:
    answer = await answered(f"{INVENTED} {INVENTED}", policy=policy)
    assert answer.text == text
    assert answer.status is GroundingStatus.INSUFFICIENT_EVIDENCE
    assert answer.citations == ()


@pytest.mark.parametrize("words", ["INSUFFICIENT EVIDENCE", "**Insufficient evidence.**", "INSUFFICIENT EVIDENCE: no."])
@pytest.mark.parametrize("policy", Unsupported)
async def test_a_model_that_cannot_answer_gets_the_words_of_the_house(words: str, policy: Unsupported) -> None:
    answer = await answered(words, policy=policy)
    assert answer.text == NOTHING_FOUND
    assert answer.status is GroundingStatus.INSUFFICIENT_EVIDENCE


async def test_an_answer_that_ends_with_the_word_that_it_cannot_is_partial() -> None:
    answer = await answered(f"{BOILS}\nINSUFFICIENT EVIDENCE")
    assert answer.text == BOILS
    assert answer.status is GroundingStatus.PARTIAL


async def test_sentences_that_state_nothing_need_no_support() -> None:
    answer = await answered(f"Sure! Here is what the documents say:\n\n{BOILS}\n\nI hope this helps!")
    assert answer.status is GroundingStatus.SUPPORTED
    assert answer.unsupported == ()


@pytest.mark.parametrize("row", ["| Water | It boils. See the hall |", "| Water | it boils |"])
async def test_every_row_of_a_table_but_its_first_needs_support(row: str) -> None:
    last = "| Fine | Pay 9,000 EUR to Bob Smith |"
    answer = await answered(f"{BOILS}\n\n| What | How |\n|---|---|\n{row}\n{last}")
    assert marked(answer)[-1] == last
    assert "What" not in "".join(marked(answer))


async def test_the_number_of_a_passage_that_there_is_not_is_the_answer_s_own() -> None:
    answer = await answered("The page is called [404] here. [1]")
    assert answer.text == "The page is called [404] here."


async def test_words_are_shown_before_their_sentence_ends() -> None:
    task = task_of(HITS, ScriptedChat(Reply(BOILS, size=3)))
    template = task.prompts["direct"]
    events = speak(task, template, pack(task, template))
    first = await anext(events)
    assert isinstance(first, Wrote)
    assert len(first.text) < 10
    await events.aclose()


async def test_a_caller_who_leaves_stops_the_model_and_pays_what_was_said() -> None:
    chat = ScriptedChat(Reply(f"{BOILS} {FREEZES}", size=3), price=1.0)
    task = task_of(HITS, chat)
    template = task.prompts["direct"]
    events = speak(task, template, pack(task, template))
    await anext(events)
    await events.aclose()
    assert chat.left == 1
    assert task.tally.usage.calls == 1
    assert task.tally.usage.cost > 0


async def test_without_passages_the_model_is_not_asked() -> None:
    chat = ScriptedChat("Something.")
    answer = answer_in(await told(direct(task_of([], chat))))
    assert answer.text == NOTHING_FOUND
    assert answer.status is GroundingStatus.INSUFFICIENT_EVIDENCE
    assert chat.requests == []


async def test_thoughts_are_not_shown() -> None:
    answer = await answered(Reply(f"<think>Is it [1]? {INVENTED}</think>{BOILS} [1]", reasoning="Let me see."))
    assert answer.text == BOILS
    assert answer.status is GroundingStatus.SUPPORTED


async def test_a_prompt_that_is_too_long_is_tried_once_more_with_half_of_the_passages() -> None:
    chat = ScriptedChat(PromptTooLongError("too long"), f"{BOILS} [1]")
    task = task_of(HITS, chat)
    answer = answer_in(await told(direct(task)))
    long, short = ("\n".join(message.text for message in request.messages) for request in chat.requests)
    assert FREEZES in long
    assert BOILS in short
    assert FREEZES not in short
    assert answer.text == BOILS


@pytest.mark.parametrize(
    "error", [PromptTooLongError("too long"), PromptRefusedError("no"), ModelUnavailableError("down")]
)
async def test_an_error_before_the_first_word_is_the_caller_s_to_handle(error: Exception) -> None:
    with pytest.raises(type(error)):
        await spoken(error)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", [Reply(""), Reply("<think>hm"), Reply("", reasoning="hm", finish=Finish.LENGTH)])
async def test_a_model_that_says_nothing_counts_as_unavailable(said: Reply) -> None:
    with pytest.raises(ModelUnavailableError, match="said nothing"):
        await spoken(said)


async def test_a_refusal_names_its_model_and_what_it_took() -> None:
    chat = ScriptedChat(Reply("INSUFFICIENT EVIDENCE\nNothing is said of it.", size=3), price=1.0)
    task = task_of(HITS, chat)
    answer = answer_in(await told(direct(task)))
    assert answer.text == NOTHING_FOUND
    assert answer.provenance.model == "scripted"
    assert chat.left == 0


async def test_a_model_that_talks_on_behind_its_refusal_is_left() -> None:
    chat = ScriptedChat(Reply("INSUFFICIENT EVIDENCE\n" + INVENTED * 50))
    answer = answer_in(await told(direct(task_of(HITS, chat))))
    assert answer.text == NOTHING_FOUND
    assert chat.left == 1


async def test_a_model_that_breaks_off_behind_its_refusal_has_refused() -> None:
    chat = ScriptedChat(Reply("INSUFFICIENT EVIDENCE\nNoth", error=ModelBrokeOffError("It fell silent")), BOILS)
    answer = answer_in(await told(direct(task_of(HITS, chat))))
    assert answer.text == NOTHING_FOUND
    assert len(chat.requests) == 1


def broken(text: str) -> Reply:
    return Reply(text, error=ModelBrokeOffError("It fell silent"))


async def test_another_model_goes_on_behind_the_last_whole_sentence() -> None:
    chat = ScriptedChat(broken(f"{BOILS} Water freezes"), f"{FREEZES} [2]")
    task = task_of(HITS, chat)
    answer = answer_in(await told(direct(task)))
    assert answer.text == f"{BOILS} {FREEZES}"
    assert answer.status is GroundingStatus.SUPPORTED
    assert answer.provenance.degraded == ""
    *_, before, nudge = chat.requests[1].messages
    assert before == Message(Role.ASSISTANT, BOILS)
    assert "Water freezes" in nudge.text
    assert task.tally.usage.calls == 2


async def test_a_sentence_that_broke_off_and_is_not_taken_up_again_is_marked() -> None:
    answer = await answered(broken(f"{BOILS} Lakes are"), f"{FREEZES} [2]")
    assert answer.text == f"{BOILS} Lakes are … {FREEZES}"
    assert marked(answer) == ["Lakes are"]
    assert answer.status is GroundingStatus.PARTIAL


async def test_a_sentence_of_which_less_is_said_again_than_was_shown_is_marked_whole() -> None:
    answer = await answered(broken(f"{BOILS} Lakes are"), "Lakes")
    assert answer.text == f"{BOILS} Lakes are"
    assert marked(answer) == ["Lakes are"]
    answer = await answered(broken(f"{BOILS} Lakes are"), f"Lakes\n\n{FREEZES}")
    assert marked(answer) == ["Lakes are"]
    assert quotes(answer) == [BOILS, FREEZES]


async def test_what_is_marked_after_two_breaks_is_marked_once() -> None:
    answer = await answered(broken("Cats cost 5"), broken("Dogs cost 6"), "Cows cost 7 EUR here.")
    assert answer.text == "Cats cost 5 … Dogs cost 6 … Cows cost 7 EUR here."
    assert marked(answer) == ["Cats cost 5", "Dogs cost 6", "Cows cost 7 EUR here."]


@pytest.mark.parametrize("error", [PromptTooLongError("too long"), PromptRefusedError("no")])
@pytest.mark.parametrize("begun", [f"{BOILS} Lakes are", "Lakes are"])
async def test_an_answer_stays_as_it_is_where_the_next_model_does_not_take_the_prompt(
    begun: str, error: RagstoneError
) -> None:
    chat = ScriptedChat(broken(begun), error)
    answer = answer_in(await told(direct(task_of(HITS, chat))))
    assert answer.text == begun
    assert answer.provenance.degraded == str(error)
    assert marked(answer) == ["Lakes are"]
    assert len(chat.requests) == 2


async def test_where_sentences_are_removed_nothing_of_a_broken_one_is_left() -> None:
    answer = await answered(broken(f"{BOILS} Lakes are"), f"{FREEZES} [2]", policy=Unsupported.REMOVE)
    assert answer.text == f"{BOILS} {FREEZES}"


@pytest.mark.parametrize("end", ["", " Water fre"])
async def test_a_model_that_begins_again_instead_of_going_on_says_nothing_twice(end: str) -> None:
    answer = await answered(broken(f"{BOILS}{end}"), f"{BOILS} [1] {FREEZES} [2]")
    assert answer.text == f"{BOILS} {FREEZES}"
    assert quotes(answer) == [BOILS, FREEZES]
    assert answer.status is GroundingStatus.SUPPORTED


async def test_a_model_that_broke_off_before_its_first_word_is_replaced_unseen() -> None:
    chat = ScriptedChat(broken(""), f"{BOILS} [1]")
    answer = answer_in(await told(direct(task_of(HITS, chat))))
    assert answer.text == BOILS
    assert chat.requests[0].messages == chat.requests[1].messages


async def test_an_answer_that_nobody_can_end_says_why_it_stops() -> None:
    answer = await answered(broken(f"{BOILS} Water fre"))
    assert answer.text.startswith(f"{BOILS} Water fre")
    assert answer.provenance.degraded == "It fell silent"
    assert answer.status is GroundingStatus.PARTIAL
    assert quotes(answer) == [BOILS]


async def test_an_answer_s_model_prompt_and_cost_are_recorded() -> None:
    task = task_of(HITS, ScriptedChat(Reply(f"{BOILS} [1]", finish=Finish.LENGTH), price=0.5))
    answer = answer_in(await told(direct(task)))
    provenance = answer.provenance
    assert (provenance.model, provenance.finish) == ("scripted", Finish.LENGTH)
    assert provenance.strategy == task.question.options.strategy
    assert provenance.prompt == task.prompts["direct"].identity
    assert provenance.usage == task.tally.usage
    assert provenance.usage.cost > 0
    assert {"first_token", "ground", "total"} <= set(answer.timings_ms)
    assert answer.nearest == tuple(HITS)


async def test_a_document_that_changed_meanwhile_supports_nothing() -> None:
    shelf = Shelf({"file_1": "Water boils at 90 degrees on mountains. Tea is a drink.", "file_2": FREEZES})
    task = task_of(HITS, ScriptedChat(f"{BOILS} [1] {FREEZES} [2]"), shelf=shelf)
    answer = answer_in(await told(direct(task)))
    assert marked(answer) == [BOILS]
    assert quotes(answer) == [FREEZES]


async def test_a_finished_text_is_told_like_a_spoken_one() -> None:
    said = f"{BOILS} [2] {INVENTED}"
    task = task_of(HITS, ScriptedChat())
    template = task.prompts["direct"]
    context = pack(task, template)
    recited = answer_in(await told(recite(task, template, Completion(said, Finish.STOP, "scripted"), context)))
    answer = await answered(said)
    assert (recited.text, recited.citations, recited.unsupported) == (answer.text, answer.citations, answer.unsupported)


async def test_a_draft_is_asked_for_with_less_when_it_is_too_long() -> None:
    chat = ScriptedChat(PromptTooLongError("too long"), "A draft.")
    task = task_of(HITS, chat)
    template = task.prompts["direct"]
    made = await draft(task, template, pack(task, template), temperature=0.7)
    assert made == Completion("A draft.", Finish.STOP, "scripted")
    assert [request.temperature for request in chat.requests] == [0.7, 0.7]


async def test_the_answer_s_length_is_at_most_half_of_the_window() -> None:
    def small(request: ChatRequest) -> str:
        assert request.max_tokens == 600
        return BOILS

    task = task_of(HITS, ScriptedChat(small, context_tokens=1200), max_tokens=1000)
    await told(direct(task))


async def test_the_time_for_an_answer_ends_before_it_is_asked_for() -> None:
    task = task_of(HITS, ScriptedChat(BOILS))
    object.__setattr__(task, "deadline", asyncio.get_running_loop().time() - 1)
    with pytest.raises(ModelUnavailableError, match="time"):
        await told(direct(task))


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
async def test_the_pieces_in_which_a_model_speaks_make_no_difference(size: int) -> None:
    table, code = "| a | b |\n| --- | --- |\n| 1 | 2 |", "```\nx[1]. y\n```"
    said = f"- **{BOILS}** [1]\n- {INVENTED} [2]\n\n{table}\n\nSee:\n{code}\n{FREEZES}"
    whole, cut = await answered(Reply(said)), await answered(Reply(said, size=size))
    assert (whole.text, whole.citations, whole.unsupported) == (cut.text, cut.citations, cut.unsupported)
    assert "x[1]. y" in whole.text
