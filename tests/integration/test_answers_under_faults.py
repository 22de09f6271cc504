"""Whole answers while model servers misbehave: the question's own way from the search to the last word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from misbehaving import Misbehaving
from model_faults import FAULTS
from shelves import TEXTS, Shelf
from unit.models.pool.scripted import member

from ragstone.domain import Answer, AnswerOptions, GroundingStatus, Question, Rewriting
from ragstone.fakes.models import WordTokenizer
from ragstone.flows.ask import ask
from ragstone.flows.kit import Kit
from ragstone.models.pool import ModelPool, Roster
from ragstone.settings.models import Models

pytestmark = pytest.mark.anyio

QUESTIONS = 20  # for each fault
SECONDS = 3.0  # for an answer that no model can give
PATIENCE = {"first_token": 10.0, "between_tokens": 10.0, "total": 20.0}  # with a healthy server, which may be busy
TIMEOUTS = {"connect": 0.5, "first_token": 0.3, "between_tokens": 0.3, "total": 2.0}
ENOUGH = AnswerOptions(rewriting=Rewriting.NONE)

FAULTY = sorted({*FAULTS} - {"whole"})
# Said of a prompt, not of a server: what does not fit one window is not tried on another of the same size.
OF_THE_PROMPT = "400-context"


@pytest.fixture(scope="module")
def server() -> Iterator[Misbehaving]:
    with Misbehaving(speak=lambda _: f"{TEXTS[0]} [1]") as running:
        yield running


async def answers(*urls: str, healthy: str | None = None) -> Sequence[Answer]:
    """To twenty questions at the same time, each in its time."""
    shelf = Shelf()
    store = await shelf.store(TEXTS)
    members = [member(f"m{place}", url=url, model="m", timeouts=TIMEOUTS) for place, url in enumerate(urls)]
    if healthy:
        members.append(member("healthy", url=healthy, model="m", timeouts=PATIENCE))
    seconds = 20.0 if healthy else SECONDS
    pool = ModelPool(Roster(Path("/nowhere/models.toml"), required=False, fixed=Models(models=tuple(members))))
    kit = Kit(shelf.index, shelf.embedder, WordTokenizer(), pool.llm, seconds=seconds)
    question = Question("When is the gearbox oil changed?", (store,), options=ENOUGH)
    try:
        async with asyncio.timeout(seconds + 2):
            return await asyncio.gather(*(ask(question, kit) for _ in range(QUESTIONS)))
    finally:
        await pool.close()


@pytest.mark.parametrize("fault", [fault for fault in FAULTY if fault != OF_THE_PROMPT])
async def test_with_one_healthy_server_left_every_answer_arrives_to_its_end(server: Misbehaving, fault: str) -> None:
    made = await answers(server.faulty(fault), healthy=server.url)
    # Words that were shown before a server broke off are not taken back.
    assert all(answer.text.endswith(TEXTS[0]) for answer in made)
    assert all(TEXTS[0] in {cited.quote for cited in answer.citations} for answer in made)
    assert {answer.provenance.degraded for answer in made} == {""}


@pytest.mark.parametrize("fault", FAULTY)
async def test_with_none_left_the_documents_answer_in_time(server: Misbehaving, fault: str) -> None:
    made = await answers(server.faulty(fault), server.faulty(fault))
    assert all(answer.text.endswith(TEXTS[0]) for answer in made)
    assert all(TEXTS[0] in {cited.quote for cited in answer.citations} for answer in made)
    assert all(answer.provenance.degraded for answer in made)
    for answer in made:
        assert all(answer.text[: cited.answer_index].endswith(cited.quote) for cited in answer.citations)
        assert (answer.status is GroundingStatus.PARTIAL) is (answer.text != TEXTS[0])
