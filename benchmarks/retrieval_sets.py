"""Questions with their relevant documents, as the retrieval benchmark needs them, from ../shared/data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus import DATA, lines

from ragstone.domain import Block, BlockKind, Reading

Record = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A question and where its answer stands."""

    text: str
    relevant: frozenset[str]  # names of documents
    evidence: tuple[tuple[int, int], ...] = ()  # characters of the one relevant document


@dataclass(frozen=True)
class RetrievalSet:
    """A collection and its questions."""

    name: str
    documents: Mapping[str, Reading]  # by name
    questions: Sequence[Asked]
    language: str = "english"
    passages: bool = field(default=False)  # measured by the characters of the evidence


def _records(*names: str) -> Iterator[Record]:
    yield from lines(*names)


def _prose(title: str, text: str) -> Reading:
    return Reading(text, (Block(BlockKind.PARAGRAPH, 0, len(text)),), "text/plain", title)


def scifact(half: str = "train-") -> RetrievalSet:
    relevant = defaultdict[str, set[str]](set)
    rows = DATA.joinpath("scifact", f"{half}qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for row in rows:
        question, document, _ = row.split("\t")
        relevant[question].add(document)
    return RetrievalSet(
        f"scifact {'train' if half else 'test'}",
        {one["_id"]: _prose(one["title"], one["text"]) for one in _records("scifact", "corpus.jsonl.gz")},
        [
            Asked(one["text"], frozenset(relevant[one["_id"]]))
            for one in _records("scifact", f"{half}queries.jsonl")
            if one["_id"] in relevant
        ],
    )


def claude_docs() -> RetrievalSet:
    chunks = _records("claude-docs-rag", "chunks.jsonl.gz")
    return RetrievalSet(
        "claude-docs",
        {one["chunk_link"]: _prose(one["chunk_heading"], one["text"]) for one in chunks},
        [
            Asked(one["question"], frozenset(one["correct_chunks"]))
            for one in _records("claude-docs-rag", "questions.jsonl")
        ],
    )


def xquad(asked: str, written: str, language: str = "english") -> RetrievalSet:
    return RetrievalSet(
        f"xquad {asked}>{written}",
        {one["_id"]: _prose(one["title"], one["text"]) for one in _records("xquad", f"corpus.{written}.jsonl.gz")},
        [Asked(one["text"], frozenset({one["doc"]})) for one in _records("xquad", f"queries.{asked}.jsonl.gz")],
        language,
    )


def tatqa() -> RetrievalSet:
    documents, questions = {}, []
    for number, record in enumerate(_records("tatqa", "tatqa_dataset_dev.jsonl.gz")):
        documents[str(number)] = _report(record)
        questions += [Asked(one["question"], frozenset({str(number)})) for one in record["questions"]]
    return RetrievalSet("tatqa", documents, questions)


def _report(record: Record) -> Reading:
    """Paragraphs and then the table, a line a row."""
    text, blocks = "", []
    for paragraph in sorted(record["paragraphs"], key=lambda one: one["order"]):
        blocks.append(Block(BlockKind.PARAGRAPH, len(text), len(text) + len(paragraph["text"])))
        text += paragraph["text"] + "\n\n"
    rows = [" | ".join(row) for row in record["table"]["table"]]
    table = "\n".join(rows)
    blocks.append(Block(BlockKind.TABLE, len(text), len(text) + len(table), header=rows[0]))
    return Reading(text + table, tuple(blocks), "text/plain")


def chunking_eval() -> RetrievalSet:
    documents = {}
    for path in sorted(DATA.joinpath("chunking-eval", "corpora").glob("*.md.gz")):
        documents[path.name.removesuffix(".md.gz")] = _unzipped(path.name)
    questions = [
        Asked(
            one["question"],
            frozenset({one["corpus_id"]}),
            tuple((part["start_index"], part["end_index"]) for part in one["references"]),
        )
        for one in _records("chunking-eval", "questions.jsonl")
    ]
    return RetrievalSet("chunking-eval", documents, questions, passages=True)


def _unzipped(name: str) -> Reading:
    import gzip

    text = gzip.decompress(DATA.joinpath("chunking-eval", "corpora", name).read_bytes()).decode()
    return _prose("", text)


SETS: Mapping[str, Callable[[], RetrievalSet]] = {
    "scifact-train": scifact,
    "scifact-test": lambda: scifact(""),
    "claude-docs": claude_docs,
    "tatqa": tatqa,
    "chunking-eval": chunking_eval,
    "xquad-en-en": lambda: xquad("en", "en"),
    "xquad-de-de": lambda: xquad("de", "de", "german"),
    "xquad-zh-zh": lambda: xquad("zh", "zh"),
    "xquad-ru-ru": lambda: xquad("ru", "ru"),
    "xquad-ar-ar": lambda: xquad("ar", "ar"),
    "xquad-hi-hi": lambda: xquad("hi", "hi"),
    "xquad-th-th": lambda: xquad("th", "th"),
    "xquad-tr-tr": lambda: xquad("tr", "tr", "turkish"),
    "xquad-de-en": lambda: xquad("de", "en"),
    "xquad-es-en": lambda: xquad("es", "en"),
    "xquad-ru-en": lambda: xquad("ru", "en"),
    "xquad-zh-en": lambda: xquad("zh", "en"),
}
