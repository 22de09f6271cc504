"""The passages that a language model reads: numbered, delimited, and as many as its window holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ragstone.answer.length import length, tokens
from ragstone.answer.prompt import compose
from ragstone.answer.task import Task
from ragstone.domain import Hit, Passage, Turn
from ragstone.prompts import Template
from ragstone.prompts.quoting import defused
from ragstone.text import sentences

_NEAR = 2  # characters between two passages that follow each other: the blanks that belong to neither
_TAGS = 40  # tokens around a passage
_LEAST = 64  # tokens of passages that are shown however small the window is; if it is too much, the server says so
_TITLE = 200  # characters of a name or a heading
_UNFIT = re.compile(r'[<>"\s]+')


@dataclass(frozen=True, slots=True)
class Numbered:
    """What is shown under one number: a passage, or several of a document that follow each other."""

    id: int
    parts: tuple[Passage, ...]  # ascending by place; they do not overlap

    @property
    def text(self) -> str:
        """As the model reads it."""
        first = self.parts[0]
        title = {"source": first.filename, "page": str(first.page or ""), "section": " / ".join(first.heading)}
        named = "".join(f' {name}="{_fit(value)}"' for name, value in title.items() if value)
        said = "\n".join(part.text for part in self.parts)
        return f'<passage id="{self.id}"{named}>\n{defused(said)}\n</passage>'


@dataclass(frozen=True, slots=True)
class Context:
    """What a model is shown, and what its answer may rest on."""

    passages: tuple[Numbered, ...]
    hits: tuple[Hit, ...]  # that they are made of, best first
    answer_tokens: int  # left for the answer
    first: int = 1  # number of the first passage

    @property
    def text(self) -> str:
        """All passages, as the model reads them."""
        return "\n".join(numbered.text for numbered in self.passages)

    @property
    def following(self) -> int:
        """The number that a further passage would have."""
        return self.passages[-1].id + 1 if self.passages else self.first

    def halved(self) -> Context:
        """With the better half of the passages; of a single one, with the first half of its text."""
        kept = self.hits[: len(self.hits) // 2] or tuple(_cut(hit, len(hit.passage.text) // 2) for hit in self.hits)
        return _numbered(kept, self.answer_tokens, self.first)

    def __add__(self, other: Context) -> Context:
        """Both together, as the ground of one answer; their numbers have to differ."""
        return Context(
            self.passages + other.passages,
            self.hits + other.hits,
            min(self.answer_tokens, other.answer_tokens),
            min(self.first, other.first),
        )


def pack(
    task: Task, template: Template, hits: Sequence[Hit] | None = None, *, first: int = 1, **values: str
) -> Context:
    """As many of the hits (None: those of the task) as fit, best first, numbered from `first` on.

    The window is shared with what the template says with these values, the conversation and the answer, which takes
    half of it at most. Passages that overlap or follow each other share a number; what was seen before is left out.

    Raises:
        TemplateError: The template takes a value that is not there.
    """
    window = task.llm.context_tokens
    answer = min(task.question.options.max_tokens or window, window // 2)
    room = max(window - answer - length(task.tokenizer, compose(task, template, "", **values)), _LEAST)
    found = list(_distinct(task.results.hits if hits is None else hits))
    costs = [cost + _TAGS for cost in tokens(task.tokenizer, [hit.passage.text for hit in found])]
    if found and costs[0] > room:
        found[0] = _cut(found[0], len(found[0].passage.text) * max(room - _TAGS, _TAGS) // costs[0])
        costs[0] = room
    kept = []
    for hit, cost in zip(found, costs, strict=True):
        if cost <= room:
            kept.append(hit)
            room -= cost
    return _numbered(kept, answer, first)


def _distinct(hits: Sequence[Hit]) -> Iterator[Hit]:
    seen: set[str] = set()
    for hit in hits:
        words = " ".join(hit.passage.text.split())
        if words and words not in seen:
            seen.add(words)
            yield hit


def _numbered(hits: Sequence[Hit], answer_tokens: int, first: int) -> Context:
    """Each document's neighbours together, in the place of the best of them."""
    runs: list[list[Passage]] = []
    for hit in hits:
        touching = [run for run in runs if any(_touch(hit.passage, other) for other in run)]
        if touching:
            touching[0].append(hit.passage)
            for other in touching[1:]:
                touching[0] += other
                runs.remove(other)
        else:
            runs.append([hit.passage])
    passages = tuple(Numbered(first + place, _joined(run)) for place, run in enumerate(runs))
    return Context(passages, tuple(hits), answer_tokens, first)


def _touch(one: Passage, other: Passage) -> bool:
    near = one.start <= other.end + _NEAR and other.start <= one.end + _NEAR
    return one.file_id == other.file_id and near


def _joined(run: Sequence[Passage]) -> tuple[Passage, ...]:
    """The passages in their order, those that overlap made one."""
    joined: list[Passage] = []
    for passage in sorted(run, key=lambda passage: (passage.start, -passage.end)):
        before = joined[-1] if joined else None
        if before is None or passage.start > before.end:
            joined.append(passage)
        elif passage.end > before.end:
            turn = Turn(passage.start, passage.heading, passage.page)
            later = [turn, *passage.turns] if passage.start > before.start else [*passage.turns]
            turns = sorted({*before.turns, *later}, key=lambda turn: turn.start)
            text = before.text + passage.text[before.end - passage.start :]
            joined[-1] = replace(before, text=text, end=passage.end, turns=tuple(turns))
    return tuple(joined)


def _cut(hit: Hit, characters: int) -> Hit:
    """With the first sentences of its passage; at least one of them."""
    passage = hit.passage
    ends = [end for _, end in sentences.spans(passage.text)]
    end = max((end for end in ends if end <= characters), default=ends[0])
    return replace(hit, passage=replace(passage, text=passage.text[:end], end=passage.start + end))


def _fit(value: str) -> str:
    return defused(_UNFIT.sub(" ", value)[:_TITLE].strip())
