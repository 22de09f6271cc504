"""How often the semantic cache answers, and how often wrongly, against its threshold.

By the vector alone, and with the words compared as the cache compares them.

Pairs of questions that people asked: all pairs of NQ-open (the same if their answers have one in common), of XQuAD's
English questions (if they are of one paragraph and one answer contains the other) and of BANKING77 (if they have one
intent). Pairs that are made from XQuAD's questions: paraphrases (another form, politely, what stands last put first),
and traps, which the original's answer does not answer (another number, another name, not, another question word).
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import corpus
import numpy as np

from ragstone.domain import Matrix
from ragstone.models.minilm.embedder import MiniLM
from ragstone.text.sameness import may_ask_the_same

THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97)

_NEAREST = 0.8  # pairs of real questions below are not looked at
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")
_LAST = re.compile(r"(.+?) ((?:in|during|at) [^,?]+?)\??")
_SWAPS = (
    ("first", "last"),
    ("most", "least"),
    ("largest", "smallest"),
    ("before", "after"),
    ("When ", "Where "),
    ("Where ", "When "),
    ("Who ", "When "),
    ("How many ", "Which "),
)
_NEGATED = re.compile(r"\b(did|does|do|was|were|is|are|can|could)\b (?=\w+ \w+)")


@dataclass(frozen=True)
class Pairs:
    """Pairs of questions of one kind: places of texts, and whether one answer does for both."""

    kind: str
    texts: Sequence[str]
    pairs: Sequence[tuple[int, int, bool]]


def real_pairs(embed: Callable[[Sequence[str]], Matrix]) -> Iterator[Pairs]:
    """Questions that people asked, as near as `_NEAREST`."""
    asked = list(corpus.lines("benign-nq-open", "nq_open_dev.jsonl.gz"))
    answers = [{_plain(answer) for answer in one["answer"]} for one in asked]
    yield _near("NQ-open", [one["question"] for one in asked], lambda a, b: bool(answers[a] & answers[b]), embed)
    asked = list(corpus.lines("xquad", "queries.en.jsonl.gz"))
    said = [_plain(one["answer"]) for one in asked]

    def same_span(a: int, b: int) -> bool:
        return asked[a]["doc"] == asked[b]["doc"] and (said[a] in said[b] or said[b] in said[a])

    yield _near("XQuAD", [one["text"] for one in asked], same_span, embed)
    path = corpus.DATA / "benign-banking77" / "test.csv.gz"
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    intents = [row["category"] for row in rows]
    yield _near("BANKING77", [row["text"] for row in rows], lambda a, b: intents[a] == intents[b], embed)


def made_pairs() -> Iterator[Pairs]:
    """What is made from XQuAD's questions, by kind."""
    questions = [str(one["text"]).strip() for one in corpus.lines("xquad", "queries.en.jsonl.gz")]
    names = sorted({name for question in questions for name in _NAME.findall(question)})
    made: dict[str, list[tuple[str, str, bool]]] = {}
    for number, question in enumerate(questions):
        for kind, other, same in _made(question, names[number % len(names)]):
            made.setdefault(kind, []).append((question, other, same))
    for kind, pairs in made.items():
        texts = [text for one, other, _ in pairs for text in (one, other)]
        yield Pairs(kind, texts, [(2 * place, 2 * place + 1, same) for place, (_, _, same) in enumerate(pairs)])


def _made(question: str, name: str) -> Iterator[tuple[str, str, bool]]:
    yield "same: lower case, no mark", question.lower().rstrip("?. "), True
    yield "same: politely", f"Could you please tell me {question[0].lower()}{question[1:]}", True
    if last := _LAST.fullmatch(question):
        yield "same: last put first", f"{last[2][0].upper()}{last[2][1:]}, {last[1][0].lower()}{last[1][1:]}?", True
    if number := _NUMBER.search(question):
        other = f"{question[: number.start()]}{int(number[0]) + 1}{question[number.end() :]}"
        yield "trap: another number", other, False
    if (found := _NAME.search(question)) and found[0] != name:
        yield "trap: another name", question[: found.start()] + name + question[found.end() :], False
    if _NEGATED.search(question):
        yield "trap: not", _NEGATED.sub(r"\1 not ", question, count=1), False
    for old, new in _SWAPS:
        if re.search(rf"\b{old}", question):
            yield "trap: opposite, other question word", question.replace(old, new, 1), False
            return


def _near(
    kind: str, texts: Sequence[str], same: Callable[[int, int], bool], embed: Callable[[Sequence[str]], Matrix]
) -> Pairs:
    vectors = embed(texts)
    first, second = np.nonzero(np.triu(vectors @ vectors.T, 1) >= _NEAREST)
    return Pairs(kind, texts, [(a, b, same(a, b)) for a, b in zip(first.tolist(), second.tolist(), strict=True)])


def _plain(answer: str) -> str:
    return re.sub(r"\W+", " ", answer.casefold()).strip()


def rates(found: Pairs, embed: Callable[[Sequence[str]], Matrix]) -> list[str]:
    """A row a threshold: of the pairs that are the same, and of the others, how many would be answered."""
    vectors = embed(found.texts)
    rows = []
    for threshold in THRESHOLDS:
        near = [(a, b, same) for a, b, same in found.pairs if float(vectors[a] @ vectors[b]) >= threshold]
        said = [(a, b, same) for a, b, same in near if may_ask_the_same(found.texts[a], found.texts[b])]
        cells = [found.kind, f"{threshold:.2f}", *_counted(found.pairs), *_counted(near), *_counted(said)]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _counted(pairs: Iterable[tuple[int, int, bool]]) -> tuple[str, str]:
    kinds = [same for _, _, same in pairs]
    return str(sum(kinds)), str(len(kinds) - sum(kinds))


def table() -> list[str]:
    """All rates as a table in Markdown."""
    embed = MiniLM(threads=1).embed
    rows = [
        "| pairs | cosine from | same | others | by vector: right | wrong | with words: right | wrong |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for found in (*real_pairs(embed), *made_pairs()):
        rows += rates(found, embed)
    return rows
