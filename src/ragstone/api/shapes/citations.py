"""Citations as annotations of an answer's text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ragstone import wire
from ragstone.domain import Citation
from ragstone.text import sentences

Link: TypeAlias = Callable[[Citation], str]  # where the cited words can be read


def file_citation(cited: Citation) -> dict[str, object]:
    """The annotation of a response; `index` is the offset behind the sentence that the citation supports."""
    return {
        "type": "file_citation",
        "index": cited.answer_index,
        **wire.citation(cited),
    }


def url_citation(cited: Citation, text: str, link: Link) -> dict[str, object]:
    """The annotation of a chat message with this text.

    The published offsets, inside `url_citation`, are those of the supported sentence in the text; ours, beside it,
    are those of the quote in the document.
    """
    start, end = supported(cited, text)
    place = {"url": link(cited), "title": cited.filename, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": place, **wire.citation(cited)}


def url_citations(cited: Iterable[Citation], text: str, link: Link) -> list[dict[str, object]]:
    """The annotations of a chat message with this text."""
    return [url_citation(citation, text, link) for citation in cited]


def supported(cited: Citation, text: str) -> tuple[int, int]:
    """Where in the answer the words stand that this citation supports: the quote itself, or else the sentence."""
    end = cited.answer_index
    if text.endswith(cited.quote, 0, end):
        return end - len(cited.quote), end
    starts = [start for start, _ in sentences.each(text, 0, end)]
    return starts[-1] if starts else end, end
