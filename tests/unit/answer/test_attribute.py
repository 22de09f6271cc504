"""Which sentences the passages support, and with which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from answer_samples import Shelf, hit, shelf_of
from written_answers import task_of

from ragstone.answer.attribute import LONGEST, Ground, Support
from ragstone.answer.context import pack
from ragstone.answer.stream import Sentence
from ragstone.domain import Hit, Store
from ragstone.fakes.chat import ScriptedChat

pytestmark = pytest.mark.anyio

PLANS = (
    "The standard plan costs 12 EUR a month and holds 5 GB. The large plan costs 20 EUR a month and holds 50 GB.\n\n"
    "Google acquired YouTube in 2006 for 1.65 billion dollars. Backups are not included in the standard plan. "
    "The notice period is two weeks. Support answers within 4 hours on weekdays."
)
SERVER = (
    "The server listens on port 8421 by default. KServe needs Kubernetes 1.29 or newer. "
    "If the disk is full, writes fail and reads go on. Old logs are deleted after 30 days."
)
TABLE = "| Drink | Degrees |\n| --- | --- |\n| Green tea | 80 |\n| Black tea | 96 |\n"


async def support(
    text: str,
    *,
    asked: str = "What is said?",
    before: str = "",
    cited: Sequence[int] = (),
    hits: Sequence[Hit] = (),
    shelf: Shelf | None = None,
) -> Support:
    hits = hits or [hit(PLANS, "plans"), hit(SERVER, "server"), hit(TABLE, "table")]
    task = task_of(hits, ScriptedChat(), asked, shelf=shelf or shelf_of(hits))
    ground = await Ground.of(task, pack(task, task.prompts["direct"]))
    return await ground.support(Sentence(text, frozenset(cited)), before)


def quotes(found: Support) -> list[str]:
    return [citation.quote for citation in found.citations]


@pytest.mark.parametrize(
    ("claim", "quote"),
    [
        ("The server listens on port 8421 by default.", "The server listens on port 8421 by default."),
        ("- **The server** listens by default on port `8421`.", "The server listens on port 8421 by default."),
        ("By default, the server listens on port 8421.", "The server listens on port 8421 by default."),
        ("The large plan costs 20 EUR a month.", "The large plan costs 20 EUR a month and holds 50 GB."),
        ("Old logs are deleted after 30 days", "Old logs are deleted after 30 days."),
        ("YouTube was acquired by Google in 2006.", "Google acquired YouTube in 2006 for 1.65 billion dollars."),
        ("KServe needs Kubernetes 1.29 or newer.", "KServe needs Kubernetes 1.29 or newer."),
    ],
)
async def test_what_the_documents_say_is_supported_by_the_sentence_that_says_it(claim: str, quote: str) -> None:
    found = await support(claim)
    assert quotes(found) == [quote]
    assert all(citation.verified for citation in found.citations)


@pytest.mark.parametrize(
    "claim",
    [
        "The server listens on port 8422 by default.",  # another number
        "The server listens on port 30 by default.",  # a number that stands elsewhere
        "The large plan costs 12 EUR a month and holds 50 GB.",  # a number of something else
        "The standard plan costs 5 EUR a month and holds 12 GB.",  # two numbers exchanged
        "The large plan costs 20 GB a month.",  # another unit
        "YouTube acquired Google in 2006 for 1.65 billion dollars.",  # who did it to whom
        "Kubernetes needs KServe 1.29 or newer.",  # the same
        "Microsoft acquired YouTube in 2006 for 1.65 billion dollars.",  # another name
        "Backups are included in the standard plan.",  # denied there
        "Old logs are not deleted after 30 days.",  # denied here
        "The notice period is three weeks.",  # a number in words
        "If the disk is full, reads fail and writes go on.",  # the other way round
        "Whales sing long songs about the moon.",  # nothing like it
        "The server supports encryption with keys of your own.",  # on the topic, and nowhere
        "Green tea needs 96 degrees.",  # another row's number
    ],
)
async def test_what_the_documents_do_not_say_or_deny_is_not_supported(claim: str) -> None:
    found = await support(claim)
    assert found.claims
    assert not found.supported, quotes(found)


async def test_a_sentence_out_of_two_is_cited_with_both() -> None:
    found = await support("Support answers within 4 hours on weekdays, and old logs are deleted after 30 days.")
    assert set(quotes(found)) == {
        "Support answers within 4 hours on weekdays.",
        "Old logs are deleted after 30 days.",
    }


async def test_a_row_of_a_table_supports_with_its_header() -> None:
    found = await support("| Green tea | 80 |", before="| --- | --- |")
    assert quotes(found) == ["| Drink | Degrees |", "| Green tea | 80 |"]


@pytest.mark.parametrize(("answer", "right"), [("8421", True), ("Port 8421.", True), ("8422", False), ("Yes.", False)])
async def test_an_answer_of_a_word_is_read_with_its_question(answer: str, right: bool) -> None:
    found = await support(answer, asked="On which port does the server listen by default?")
    assert found.supported is right


async def test_a_pronoun_stands_for_what_was_said_before() -> None:
    text = "KServe is a model server. It needs Kubernetes 1.29 or newer."
    found = await support("It needs Kubernetes 1.29.", before="KServe serves models.", hits=[hit(text)])
    assert quotes(found) == [text]


async def test_a_number_below_zero_is_another_one_than_above() -> None:
    hits = [hit("The oil is stored at -5 °C in the great hall.")]
    assert not (await support("The oil is stored at 5 °C in the great hall.", hits=hits)).supported
    assert (await support("The oil is stored at \u22125 °C in the great hall.", hits=hits)).supported


async def test_what_is_said_beside_the_word_that_something_is_not_told_is_cited() -> None:
    found = await support("Old logs are deleted after 30 days, but the documents do not mention the price.")
    assert quotes(found) == ["Old logs are deleted after 30 days."]
    assert not (await support("The documents do not mention the price, but it is 500 EUR at Bosch.")).supported


async def test_what_is_longer_than_all_that_can_be_quoted_for_it_is_not_supported() -> None:
    line = "Old logs are deleted after 30 days. "
    assert (await support(line * 3)).supported
    assert await support(line * (LONGEST // len(line) + 1)) == Support(claims=True)


async def test_of_two_passages_that_say_the_same_the_one_that_the_model_named_is_cited() -> None:
    said = "Old logs are deleted after 30 days"
    hits = [hit(f"{said}."), hit(f"{said}, always.", "file_2")]
    for cited, file in ((1, "file_1"), (2, "file_2")):
        found = await support(f"{said}.", cited=[cited], hits=hits)
        assert [citation.file_id for citation in found.citations] == [file]


async def test_a_name_that_stands_in_the_heading_goes_for_what_is_below() -> None:
    hits = [hit("Version 1.29 or newer is needed for the cluster.", heading=("Install KServe",))]
    found = await support("For KServe, version 1.29 or newer is needed for the cluster.", hits=hits)
    assert found.supported


async def test_a_citation_stands_where_the_document_has_it_now_or_nowhere() -> None:
    hits = [hit(SERVER, "server", start=100)]
    found = await support("Old logs are deleted after 30 days.", hits=hits)
    (citation,) = found.citations
    assert citation.start_index == 100 + SERVER.index("Old logs")
    gone = await support("Old logs are deleted after 30 days.", hits=hits, shelf=Shelf({}))
    assert gone.claims
    assert not gone.supported


async def test_a_citation_names_the_chunk_that_its_words_stand_in() -> None:
    cut = SERVER.index("If the disk")
    hits = [hit(SERVER[: cut - 1], "server"), hit(SERVER[cut - 10 :], "server", start=cut - 10)]
    found = await support("Old logs are deleted after 30 days.", hits=hits)
    assert [citation.chunk_id for citation in found.citations] == [hits[1].passage.chunk_id]


async def test_every_store_of_the_question_is_read() -> None:
    hits = [hit(SERVER, "server")]
    task = task_of(hits, ScriptedChat())
    first = task.question.stores[0]
    other = Store(7, "vs_7", "empty", first.model, "german", first.created_at)
    task = replace(task, question=replace(task.question, stores=(other, first)))
    ground = await Ground.of(task, pack(task, task.prompts["direct"]))
    found = await ground.support(Sentence("Old logs are deleted after 30 days.", frozenset()), "")
    assert found.supported
