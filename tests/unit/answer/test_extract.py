from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from answer_samples import BY_PASSAGE, BY_WORDS, EMBEDDER, Shelf, hit, question, shelf_of, store
from hypothesis import given
from hypothesis import strategies as st

from ragstone.answer.calibration import Policy
from ragstone.answer.extract import NOTHING_FOUND, extract
from ragstone.answer.units import MAX_QUOTE
from ragstone.domain import Answer, GroundingStatus, Hit, Matrix, Turn
from ragstone.fakes.models import HashingEmbedder

WORDS = ["water", "boils", "degrees", "tea", "leaves", "kettle", "hot", "cold", "it", "this", "the", "of", "at"]


def answer(asked: str, hits: Sequence[Hit], shelf: Shelf | None = None, policy: Policy = BY_WORDS) -> Answer:
    index = shelf_of(hits) if shelf is None else shelf
    return asyncio.run(extract(question(asked), hits, EMBEDDER, index, policy))


def quotes(found: Answer) -> list[str]:
    return [citation.quote for citation in found.citations]


def test_the_sentence_that_answers_is_quoted_with_its_place() -> None:
    text = "Tea is a drink. Water boils at 100 degrees. Milk is white."
    found = answer("When does water boil, at which degrees?", [hit(text, start=50)])
    (citation,) = found.citations
    assert found.text == citation.quote == "Water boils at 100 degrees."
    assert (citation.start_index, citation.end_index, citation.answer_index) == (66, 93, 27)
    assert citation.verified
    assert found.status is GroundingStatus.SUPPORTED


def test_a_citation_names_the_section_and_the_page_of_its_own_words() -> None:
    text = "Tea is a drink. Water boils at 100 degrees."
    turns = (Turn(66, ("Physics", "Water"), 7), Turn(500, ("Physics", "Ice"), 8))
    found = answer("When does water boil, at which degrees?", [hit(text, heading=("Drinks",), turns=turns, start=50)])
    assert (found.citations[0].heading, found.citations[0].page) == (("Physics", "Water"), 7)


def test_without_hits_there_is_no_guess() -> None:
    found = answer("When does water boil?", [])
    assert found.text == NOTHING_FOUND
    assert found.status is GroundingStatus.INSUFFICIENT_EVIDENCE
    assert found.citations == ()
    assert found.nearest == ()


def test_a_question_that_the_passages_do_not_answer_gets_them_as_the_nearest() -> None:
    hits = [hit("Milk is white and comes from cows."), hit("Juice is made of fruit.", "file_2")]
    found = answer("When does water boil?", hits)
    assert found.text == NOTHING_FOUND
    assert found.status is GroundingStatus.INSUFFICIENT_EVIDENCE
    assert found.citations == ()
    assert found.nearest == tuple(hits)


@pytest.mark.parametrize(
    ("likeness", "status"),
    [
        (0.9, GroundingStatus.SUPPORTED),
        (0.5, GroundingStatus.PARTIAL),
        (0.1, GroundingStatus.INSUFFICIENT_EVIDENCE),
    ],
)
def test_the_status_follows_the_probability_of_the_best_sentence(likeness: float, status: GroundingStatus) -> None:
    hits = [hit("Water boils at 100 degrees.", dense=likeness), hit("Milk is always white.", "file_2", dense=0.0)]
    assert answer("boiling water", hits, policy=BY_PASSAGE).status is status


def test_a_sentence_whose_document_has_changed_is_not_said() -> None:
    hits = [hit("Water boils at 100 degrees."), hit("At 100 degrees the water boils in a pot.", "file_2")]
    shelf = Shelf({"file_1": "Water boils at 212 degrees.", "file_2": hits[1].passage.text})
    found = answer("When does water boil, at which degrees?", hits, shelf)
    assert quotes(found) == ["At 100 degrees the water boils in a pot."]


@pytest.mark.parametrize("stored", [{}, {"file_1": "Water boils at 212 degrees."}, {"file_1": ""}])
def test_when_no_quote_can_be_verified_there_is_no_answer(stored: dict[str, str]) -> None:
    found = answer("When does water boil, at which degrees?", [hit("Water boils at 100 degrees.")], Shelf(stored))
    assert found.text == NOTHING_FOUND
    assert found.status is GroundingStatus.INSUFFICIENT_EVIDENCE
    assert found.citations == ()


def test_a_quote_is_looked_for_in_every_searched_store() -> None:
    hits = [hit("Water boils at 100 degrees.")]
    second = Shelf({"file_1": hits[0].passage.text}, number=2)
    asked = question("When does water boil, at which degrees?", store(1), store(2))
    found = asyncio.run(extract(asked, hits, EMBEDDER, second, BY_WORDS))
    assert found.status is GroundingStatus.SUPPORTED


def test_what_two_files_say_in_the_same_words_is_said_once_from_the_better_hit() -> None:
    hits = [hit("Water boils\nat 100 degrees.", "file_new"), hit("Water boils at 100 degrees.", "file_old")]
    found = answer("When does water boil, at which degrees?", hits)
    assert [citation.file_id for citation in found.citations] == ["file_new"]


def test_a_row_is_said_with_its_header_and_each_has_its_citation() -> None:
    table = "| Drink | Degrees |\n| --- | --- |\n| Green tea | 80 |\n| Milk | 60 |"
    found = answer("green tea", [hit(table)])
    assert found.text == "| Drink | Degrees |\n| Green tea | 80 |"
    assert quotes(found) == ["| Drink | Degrees |", "| Green tea | 80 |"]
    assert [citation.answer_index for citation in found.citations] == [19, len(found.text)]


def test_a_row_can_do_without_a_header_that_is_gone() -> None:
    table = "| Drink | Degrees |\n| --- | --- |\n| Green tea | 80 |"
    changed = Shelf({"file_1": table.replace("Drink", "Thing")})
    assert quotes(answer("green tea", [hit(table)], changed)) == ["| Green tea | 80 |"]


def test_items_of_one_list_share_their_lead_in() -> None:
    text = "Some other words. To make tea:\n" + "- Water for black tea.\n" + "- Water for green leaves.\n"
    policy = Policy(BY_WORDS.calibration, closeness=0.0, partial_from=0.0)
    found = answer("water for black tea leaves", [hit(text)], policy=policy)
    assert len(quotes(found)) == len(set(quotes(found)))
    assert "\n" in found.text


@pytest.mark.parametrize("text", ["# Boiling water", "Boiling water?", "- [Boiling water](water.md)", "", " \n "])
def test_a_passage_with_nothing_to_quote_gives_no_answer(text: str) -> None:
    assert answer("boiling water", [hit(text)]).status is GroundingStatus.INSUFFICIENT_EVIDENCE


def test_a_passage_of_nothing_but_code_can_be_quoted() -> None:
    code = "```\nkettle --boil water\n```"
    assert quotes(answer("kettle boil water", [hit(code)])) == [code]


def test_a_question_of_stop_words_alone_is_not_answered() -> None:
    found = answer("what is it?", [hit("Water boils at 100 degrees.")])
    assert found.status is GroundingStatus.INSUFFICIENT_EVIDENCE


def test_no_more_sentences_are_embedded_than_the_policy_allows() -> None:
    class Noting(HashingEmbedder):
        async def embed_passages(self, texts: Sequence[str]) -> Matrix:
            read.extend(texts)
            return await super().embed_passages(texts)

    read: list[str] = []
    asked = question("water")
    hits = [hit(" ".join(f"Sentence {n} of file {m} speaks of water." for n in range(50)), f"f{m}") for m in range(5)]
    asyncio.run(extract(asked, hits, Noting(), shelf_of(hits), Policy(candidates=7)))
    assert len([text for text in read if text != asked.text]) == 7


SENTENCES = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8), min_size=1, max_size=6)


def paragraph(words: list[list[str]]) -> str:
    return " ".join(" ".join(sentence).capitalize() + "." for sentence in words)


@given(st.lists(SENTENCES.map(paragraph), min_size=1, max_size=4), st.lists(st.sampled_from(WORDS), min_size=1))
def test_an_answer_consists_of_verbatim_quotes_in_the_order_of_their_citations(
    texts: list[str], asked: list[str]
) -> None:
    hits = [hit(text, f"file_{number}", start=7 * number) for number, text in enumerate(texts)]
    found = answer(" ".join(asked), hits)
    if found.status is GroundingStatus.INSUFFICIENT_EVIDENCE:
        assert (found.text, found.citations) == (NOTHING_FOUND, ())
        return
    stored = {one.passage.file_id: one.passage for one in hits}
    end = 0
    for citation in found.citations:
        passage = stored[citation.file_id]
        assert citation.quote == passage.text[citation.start_index - passage.start : citation.end_index - passage.start]
        assert found.text[: citation.answer_index].endswith(citation.quote)
        assert citation.answer_index - len(citation.quote) - end <= 1  # nothing else is said but a gap
        assert 0.0 <= citation.score <= 1.0
        assert citation.verified
        end = citation.answer_index
    assert end == len(found.text)


def windows(text: str, cuts: Sequence[int], overlap: int) -> list[Hit]:
    """Passages of one document that are cut at these places, each with the end of the one before."""
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    starts = [max(start - overlap, before) for before, start in zip([0, *edges], edges[:-1], strict=False)]
    return [hit(text[start:end], start=start) for start, end in zip(starts, edges[1:], strict=True) if start < end]


def test_a_sentence_that_two_overlapping_passages_share_is_cited_once() -> None:
    text = "Tea is a drink. Water boils at 100 degrees. Hot water boils away. Milk is white."
    shared = windows(text, [43], 28)
    assert "Water boils at 100 degrees." in shared[0].passage.text
    assert "Water boils at 100 degrees." in shared[1].passage.text
    for hits in (shared, shared[::-1]):
        found = answer("When does water boil, at which degrees?", hits)
        assert quotes(found).count("Water boils at 100 degrees.") == 1
        assert found.text.count("100 degrees") == 1


def test_a_sentence_of_which_one_passage_has_only_the_end_is_cited_once() -> None:
    text = "The water in the kettle boils at 100 degrees when it is hot."
    hits = [hit(text), hit(text[23:], start=23)]
    for ordered in (hits, hits[::-1]):
        assert len(quotes(answer("water kettle boils 100 degrees hot", ordered))) == 1


def test_a_lead_in_is_cited_once_although_its_list_goes_on_behind_the_quote() -> None:
    items = [f"- Fill the {number}th kettle with water, and wait for it to be hot.\n" for number in range(12)]
    text = "To make the tea:\n" + "".join(items) + "- Drink the black leaves.\n"
    assert len(text) > MAX_QUOTE
    policy = Policy(BY_WORDS.calibration, closeness=0.0, partial_from=0.0)
    for hits in ([hit(text)], windows(text, [text.index("- Drink")], 600)):
        found = answer("kettle water tea, black leaves", hits, policy=policy)
        assert "black leaves" in found.text
        assert "hot" in found.text
        assert found.text.count("To make the tea:") == 1, found.text


@given(
    SENTENCES.map(paragraph),
    st.lists(st.integers(0, 200), max_size=4),
    st.integers(0, 60),
    st.booleans(),
    st.lists(st.sampled_from(WORDS), min_size=1),
)
def test_overlapping_passages_never_make_an_answer_say_a_stretch_twice(
    text: str, cuts: list[int], overlap: int, listed: bool, asked: list[str]
) -> None:
    if listed:
        text = "To make tea:\n- " + text.replace(". ", ".\n- ")
    policy = Policy(BY_WORDS.calibration, closeness=0.0, partial_from=0.0)
    found = answer(" ".join(asked), windows(text, cuts, overlap), Shelf({"file_1": text}), policy)
    spans = sorted((citation.start_index, citation.end_index) for citation in found.citations)
    assert all(one[1] <= other[0] for one, other in pairwise(spans)), (spans, found.text)


def test_the_same_question_gets_the_same_answer() -> None:
    hits = [hit(f"Water boils at {n} degrees. Tea needs hot water.", f"file_{n}") for n in range(9)]
    first, second = (answer("When does water boil, at which degrees?", hits) for _ in range(2))
    assert (first.text, first.citations, first.status) == (second.text, second.citations, second.status)
