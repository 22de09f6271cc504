"""Claims with the passages that do or do not support them, from the data beside the checkout."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias, cast

from ragstone.answer.wording import names
from ragstone.text import analyzer, sentences

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NEEDED = ("faithfulness-wice", "clapnq", "claude-docs-rag", "mtrag-un", "xquad")
PASSAGE = 1000  # characters of the passages that longer texts are packed into
SHOWN = 8  # passages that a claim is compared with, at least one with its source if it has one

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?!\w|[.)]\s)")  # but for those of a list's items

Row: TypeAlias = dict[str, object]


@dataclass(frozen=True)
class Case:
    """A sentence of an answer, and whether the passages support it."""

    claim: str
    question: str
    passages: tuple[str, ...]
    supported: bool
    kind: str
    fits: bool  # belongs to the half that constants are fitted on; no figure is reported on it


def missing() -> str:
    """Why the sets cannot be loaded; empty when they can."""
    absent = [name for name in NEEDED if not (DATA / name).is_dir()]
    return f"skipped: no {', '.join(absent)} in ../shared/data beside the checkout" if absent else ""


def all_cases() -> list[Case]:
    """Every claim of every set."""
    return [*wice(), *clapnq(), *claude_docs(), *mtrag(), *short_answers()]


def wice() -> Iterator[Case]:
    """Sentences of Wikipedia and the web pages that they cite, judged by people: the only ones that nobody made up."""
    for row in _rows("faithfulness-wice/claim_dev.jsonl.gz"):
        meta = cast("dict[str, str]", row["meta"])
        label = str(row["label"])
        passages = packed(cast("list[str]", row["evidence"]))
        claim = str(row["claim"])
        yield Case(
            claim,
            meta["claim_title"],
            passages,
            supported=label == "supported",
            kind=f"WiCE {label}",
            fits=_half(meta["id"]),
        )


def clapnq() -> Iterator[Case]:
    """Sentences of answers that people wrote from one passage of Wikipedia, and what becomes of them when spoiled."""
    rows = list(_rows("clapnq/answerable.jsonl.gz"))
    texts = {str(row["id"]): str(cast("list[Row]", row["passages"])[0]["text"]) for row in rows}
    for row in rows:
        answer = str(cast("list[Row]", row["output"])[0]["answer"] or "")
        name = str(row["id"])
        others = [text for other, text in texts.items() if other != name]
        yield from _claims(answer, str(row["input"]), [texts[name]], others, ("ClapNQ", _half(name)))


def claude_docs() -> Iterator[Case]:
    """Sentences of the answers of a test of product documentation."""
    chunks = {str(row["chunk_link"]): str(row["text"]) for row in _rows("claude-docs-rag/chunks.jsonl.gz")}
    for row in _read(DATA / "claude-docs-rag/questions.jsonl"):
        gold = [chunks[link] for link in cast("list[str]", row["correct_chunks"])]
        others = [text for text in chunks.values() if text not in gold]
        yield from _claims(
            str(row["correct_answer"]), str(row["question"]), gold, others, ("docs", _half(str(row["id"])))
        )


def mtrag() -> Iterator[Case]:
    """Sentences of answers in conversations; none of them is fitted on."""
    rows = list(_rows("mtrag-un/tasks.jsonl.gz"))
    pool = list(dict.fromkeys(text for row in rows for text in _contexts(row)))
    for row in rows:
        if "ANSWERABLE" in cast("list[str]", row["answerability"]) and _contexts(row):
            answer = str(cast("list[Row]", row["targets"])[0]["text"])
            asked = str(cast("list[Row]", row["input"])[-1]["text"])
            gold = _contexts(row)
            others = [text for text in pool if text not in gold]
            yield from _claims(answer, asked, gold, others, ("MTRAG", False))


def short_answers() -> Iterator[Case]:
    """Answers of a few words, and those to another question about the same paragraph."""
    texts = {str(row["_id"]): str(row["text"]) for row in _rows("xquad/corpus.en.jsonl.gz")}
    before: Row = {}
    for row in list(_rows("xquad/queries.en.jsonl.gz"))[::2]:
        others = [text for name, text in texts.items() if name != row["doc"]]
        gold = texts[str(row["doc"])]
        passages = shown(str(row["text"]), [gold], others)
        kind, fits = "XQuAD short answer", _half(str(row["doc"]))
        case = Case(str(row["answer"]), str(row["text"]), passages, supported=True, kind=kind, fits=fits)
        yield case
        if before.get("doc") == row["doc"] and before["answer"] != row["answer"]:
            yield replace(case, claim=str(before["answer"]), supported=False, kind="XQuAD another answer")
        before = row


def translated(language: str) -> Iterator[tuple[str, str, str]]:
    """A sentence of a paragraph, the paragraph itself, and the same paragraph in English."""
    english = {str(row["_id"]): str(row["text"]) for row in _rows("xquad/corpus.en.jsonl.gz")}
    for row in _rows(f"xquad/corpus.{language}.jsonl.gz"):
        text = str(row["text"])
        start, end = sentences.spans(text)[0]
        yield text[start:end], text, english[str(row["_id"])]


def _claims(
    answer: str, question: str, gold: Sequence[str], others: Sequence[str], origin: tuple[str, bool]
) -> Iterator[Case]:
    """Each sentence as it is, spoiled in several ways, and without its source."""
    name, fits = origin
    for start, end in sentences.spans(answer):
        claim = answer[start:end]
        passages = shown(f"{question} {claim}", gold, others)
        case = Case(claim, question, passages, supported=True, kind=f"{name} answer", fits=fits)
        yield case
        yield replace(case, passages=shown(claim, [], others), supported=False, kind=f"{name} source removed")
        for kind, spoiled in spoilt(claim, " ".join(gold)):
            yield replace(case, claim=spoiled, supported=False, kind=f"{name} {kind}")


def spoilt(claim: str, source: str) -> Iterator[tuple[str, str]]:
    """The claim with one thing changed that makes it wrong."""
    both = list(_NUMBER.finditer(claim))[:2]
    for number in both[:1]:
        other = str(int(re.sub(r"\D", "", number[0])) + 3)
        yield "number changed", claim[: number.start()] + other + claim[number.end() :]
    if len(both) > 1 and both[0][0] != both[1][0]:
        one, two = both
        between = claim[one.end() : two.start()]
        yield "numbers exchanged", f"{claim[: one.start()]}{two[0]}{between}{one[0]}{claim[two.end() :]}"
    own = [one for one in names(claim) if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", claim, re.IGNORECASE)]
    foreign = [one for one in names(source) if one not in claim.casefold()]
    if own and foreign:
        pattern = re.compile(rf"(?<!\w){re.escape(own[0])}(?!\w)", re.IGNORECASE)
        taken = re.search(rf"(?<!\w){re.escape(foreign[len(claim) % len(foreign)])}(?!\w)", source, re.IGNORECASE)
        if taken:
            yield "name changed", pattern.sub(lambda _: taken[0], claim)
    verb = re.search(r"\b(?:is|are|was|were|can|will|has|have|does|do|should|must|may|had)\b(?! not)", claim)
    if verb:
        yield "denied", f"{claim[: verb.end()]} not{claim[verb.end() :]}"
    yield from _exchanged(claim, own)


def _exchanged(claim: str, own: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The first two names in each other's place."""
    found = [re.search(rf"(?<!\w){re.escape(name)}(?!\w)", claim, re.IGNORECASE) for name in own[:2]]
    one, two = [*(match for match in found if match), None, None][:2]
    if one is None or two is None or one.end() >= two.start():
        return
    between = claim[one.end() : two.start()]
    if len(between.split()) > 1 and " and " not in between:
        yield "names exchanged", f"{claim[: one.start()]}{two[0]}{between}{one[0]}{claim[two.end() :]}"


def shown(words: str, gold: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The sources, and of the others those that share most terms with the words: what a search would find."""
    asked = set(analyzer.terms(words))
    first = [passage for text in gold for passage in packed([text[s:e] for s, e in sentences.spans(text)])]
    rest = sorted(others, key=lambda text: -len(asked & set(_terms(text))))
    further = [packed([text[s:e] for s, e in sentences.spans(text)])[0] for text in rest[: max(SHOWN - len(first), 2)]]
    return (*first, *further)


_KNOWN: dict[str, frozenset[str]] = {}


def _terms(text: str) -> frozenset[str]:
    if text not in _KNOWN:
        _KNOWN[text] = frozenset(analyzer.terms(text))
    return _KNOWN[text]


def packed(parts: Iterable[str]) -> tuple[str, ...]:
    """Sentences put together to passages."""
    passages = [""]
    for part in parts:
        if passages[-1] and len(passages[-1]) + len(part) > PASSAGE:
            passages.append("")
        gap = "" if not passages[-1] else "\n" if part.lstrip()[:1] in "-*|#" else " "
        passages[-1] += gap + part
    return tuple(passages)


def _contexts(row: Row) -> list[str]:
    return [str(one["text"]) for one in cast("list[Row]", row["contexts"])]


def _half(name: str) -> bool:
    return sha256(name.encode()).digest()[0] % 2 == 0


def _rows(name: str) -> Iterator[Row]:
    yield from _read(DATA / name)


def _read(path: Path) -> Iterator[Row]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in content.splitlines():
        yield json.loads(line)
