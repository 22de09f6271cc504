"""Questions with their answer's place, and questions without an answer, from the data beside the checkout."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias, TypedDict, TypeVar

from ragstone.text import sentences

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NEEDED = ("xquad", "clapnq", "claude-docs-rag", "chunking-eval")
PASSAGE = 1000  # characters of the passages that long texts are packed into
FOREIGN = 150  # questions of the other sets that each set is asked

Spans: TypeAlias = Sequence[tuple[int, int]]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Page:
    """A passage of a set, stored as a document of its own so that single ones can be left out."""

    id: str
    text: str
    heading: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A question, what it may not see, and where its answer stands."""

    text: str
    kind: str  # "answerable", "in its paragraph", or why there is no answer
    fits: bool = False  # belongs to the half that constants are fitted on; no figure is reported on it
    without: tuple[str, ...] = ()  # ids of pages that are left out
    gold: Mapping[str, Spans] = field(default_factory=dict)  # by page id
    only: str = ""  # the one page that is searched; empty: all


@dataclass(frozen=True)
class DataSet:
    """Pages and what is asked of them."""

    name: str
    pages: Sequence[Page]
    cases: Sequence[Case]


def all_sets() -> list[DataSet]:
    """Every set, also asked some questions that only the others can answer."""
    sets = [xquad(), clapnq(), claude_docs(), chunking_eval()]
    return [DataSet(data.name, data.pages, [*data.cases, *_foreign(data, sets)]) for data in sets]


def missing() -> str:
    """Why the sets cannot be loaded; empty when they can."""
    absent = [name for name in NEEDED if not (DATA / name).is_dir()]
    return f"skipped: no {', '.join(absent)} in ../shared/data beside the checkout" if absent else ""


class _Paragraph(TypedDict):
    _id: str
    title: str
    text: str


class _SpanQuestion(TypedDict):
    text: str
    doc: str
    answer: str
    answer_start: int


def xquad() -> DataSet:
    """XQuAD in English: questions to a Wikipedia paragraph; half of the articles for fitting."""
    corpus: list[_Paragraph] = _lines("xquad/corpus.en.jsonl.gz")
    questions: list[_SpanQuestion] = _lines("xquad/queries.en.jsonl.gz")
    title = {row["_id"]: row["title"] for row in corpus}
    half = _first_half(title.values())
    cases = []
    for row in questions:
        page, text = row["doc"], row["text"]
        fits = title[page] in half
        gold = {page: [(row["answer_start"], row["answer_start"] + len(row["answer"]))]}
        article = tuple(one for one in title if title[one] == title[page])
        cases += [
            Case(text, "answerable", fits, gold=gold),
            Case(text, "in its paragraph", fits, gold=gold, only=page),
            Case(text, "gold removed", fits, without=(page,)),
            Case(text, "topic removed", fits, without=article),
        ]
    return DataSet("xquad-en", [Page(row["_id"], row["text"], (row["title"],)) for row in corpus], cases)


class _Passage(TypedDict):
    title: str
    text: str


class _Annotation(TypedDict):
    selected_sentences: list[str]


class _NaturalQuestion(TypedDict):
    id: str
    input: str
    passages: list[_Passage]
    output: list[_Annotation]


def clapnq() -> DataSet:
    """ClapNQ: what people typed into a search engine; people marked the sentences that answer, if any do."""
    answerable: list[_NaturalQuestion] = _lines("clapnq/answerable.jsonl.gz")
    unanswerable: list[_NaturalQuestion] = _lines("clapnq/unanswerable.jsonl.gz")
    half = _first_half(row["id"] for row in answerable + unanswerable)
    pages: dict[str, Page] = {}
    for row in answerable + unanswerable:
        for passage in row["passages"]:
            pages.setdefault(passage["text"], Page(str(len(pages)), passage["text"], (passage["title"],)))
    cases = [Case(row["input"], "unanswerable", row["id"] in half) for row in unanswerable]
    for row in answerable:
        page = pages[row["passages"][0]["text"]]
        marked = [one for output in row["output"] for one in output["selected_sentences"] if one in page.text]
        gold = {page.id: [(page.text.find(one), page.text.find(one) + len(one)) for one in marked]}
        fits = row["id"] in half
        cases += [Case(row["input"], "answerable", fits, gold=gold)]
        cases += [Case(row["input"], "topic removed", fits, without=(page.id,))]
    return DataSet("clapnq", list(pages.values()), cases)


class _Section(TypedDict):
    chunk_link: str
    chunk_heading: str
    text: str


class _DocsQuestion(TypedDict):
    question: str
    correct_chunks: list[str]


def claude_docs() -> DataSet:
    """Questions to product documentation, written with a section or two in view; any sentence of these counts."""
    sections: list[_Section] = _lines("claude-docs-rag/chunks.jsonl.gz")
    questions: list[_DocsQuestion] = _lines("claude-docs-rag/questions.jsonl")
    parts = defaultdict[str, list[Page]](list)
    pages: list[Page] = []
    for section in sections:
        for start, end in _packed(section["text"]):
            pages.append(Page(str(len(pages)), section["text"][start:end], (section["chunk_heading"],)))
            parts[section["chunk_link"]].append(pages[-1])
    cases = []
    for row in questions:
        gold = {page.id: [(0, len(page.text))] for link in row["correct_chunks"] for page in parts[link]}
        files = {_file(link) for link in row["correct_chunks"]}
        topic = tuple(page.id for link in parts if _file(link) in files for page in parts[link])
        cases += [
            Case(row["question"], "answerable", gold=gold),
            Case(row["question"], "gold removed", without=tuple(gold)),
            Case(row["question"], "topic removed", without=topic),
        ]
    return DataSet("claude-docs", pages, cases)


def _file(link: str) -> str:
    return link.split("#", maxsplit=1)[0]


class _Reference(TypedDict):
    start_index: int
    end_index: int


class _EvidenceQuestion(TypedDict):
    question: str
    corpus_id: str
    references: list[_Reference]


def chunking_eval() -> DataSet:
    """Questions that a language model wrote to a speech, to Wikipedia and to financial reports, with their evidence."""
    questions: list[_EvidenceQuestion] = _lines("chunking-eval/questions.jsonl")
    places = defaultdict[str, list[tuple[int, Page]]](list)
    pages: list[Page] = []
    for name in sorted({row["corpus_id"] for row in questions}):
        text = gzip.decompress((DATA / f"chunking-eval/corpora/{name}.md.gz").read_bytes()).decode()
        for start, end in _packed(text):
            pages.append(Page(str(len(pages)), text[start:end]))
            places[name].append((start, pages[-1]))
    cases = []
    for row in questions:
        gold = _evidence(row["references"], places[row["corpus_id"]])
        topic = tuple(page.id for _, page in places[row["corpus_id"]])
        cases += [
            Case(row["question"], "answerable", gold=gold),
            Case(row["question"], "gold removed", without=tuple(gold)),
            Case(row["question"], "topic removed", without=topic),
        ]
    return DataSet("chunking-eval", pages, cases)


def _evidence(references: Iterable[_Reference], places: Iterable[tuple[int, Page]]) -> dict[str, Spans]:
    """Spans of a long text as spans of the pages it was packed into."""
    found = defaultdict[str, list[tuple[int, int]]](list)
    for reference in references:
        for start, page in places:
            first = max(reference["start_index"] - start, 0)
            last = min(reference["end_index"] - start, len(page.text))
            if first < last:
                found[page.id].append((first, last))
    return dict(found)


def _foreign(data: DataSet, sets: Iterable[DataSet]) -> list[Case]:
    fitted = any(case.fits for case in data.cases)
    others = {case.text: fitted and case.fits for other in sets if other is not data for case in other.cases}
    order = sorted(others, key=lambda text: _digest(f"{data.name} {text}"))
    return [Case(text, "foreign", others[text]) for text in order[:FOREIGN]]


def _packed(text: str) -> Iterator[tuple[int, int]]:
    """Whole sentences, as many as go into a passage."""
    spans = sentences.spans(text)
    first = 0
    for place, (_, end) in enumerate(spans):
        if place + 1 == len(spans) or spans[place + 1][1] - spans[first][0] > PASSAGE:
            yield spans[first][0], end
            first = place + 1


def _first_half(ids: Iterable[str]) -> set[str]:
    """The half that comes first by the SHA-256 of the id."""
    ordered = sorted(set(ids), key=_digest)
    return set(ordered[: (len(ordered) + 1) // 2])


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _lines(path: str) -> list[Row]:
    """Rows of a JSON lines file, trusted to have the shape that the caller expects."""
    file = DATA / path
    text = gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]
