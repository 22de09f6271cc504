"""The smallest pieces that a chunk is made of: sentences, rows, lines, headings, each with its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from ragstone.domain import Block, BlockKind, Reading
from ragstone.ports import Tokenizer
from ragstone.text import sentences

WIDEST_TOKEN = 12  # characters: a long word that the embedder does not know is one token of it, but not of a chunk
_BATCH = 256  # atoms that the tokenizer counts at once, about 30 kB
_FARTHEST = 1_000  # characters of that text which are counted; a chunk does not span more of it anyway
_RULE_BELOW = 3  # characters between a header row and the rule below it: line break and indentation
_LINE = re.compile(r"\S[^\n]*")


class Break(IntEnum):
    """How well a chunk may end before an atom, worst first."""

    NEVER = 0  # the atom belongs to the heading or the header row above it
    INSIDE = 1  # in the middle of a sentence, a row or a line
    ATOM = 2
    BLOCK = 3
    SECTION = 4


@dataclass(frozen=True, slots=True)
class Atom:
    """`text[start:end]`, a part of one block."""

    start: int
    end: int
    tokens: int
    before: Break
    block: Block
    lead: int = 0  # tokens between the block before and this one, such as a comment's: text that is in no block


def atoms(reading: Reading, tokenizer: Tokenizer, limit: int) -> Iterator[Atom]:
    """All that is not blank in the blocks, in order, in pieces of at most `limit` tokens."""
    for batch in _batches(_uncounted(reading, tokenizer)):
        yield from _within(_counted(reading.text, batch, tokenizer), reading.text, tokenizer, limit)


def _uncounted(reading: Reading, tokenizer: Tokenizer) -> Iterator[Atom]:
    follows_heading = False
    path: tuple[str, ...] | None = None
    reached = 0
    for block in reading.blocks:
        is_heading = block.kind is BlockKind.HEADING
        before = Break.SECTION if is_heading or block.heading != path else Break.BLOCK
        if follows_heading and (block.heading == path or is_heading):
            before = Break.NEVER
        for start, end in _parts(reading.text, block):
            gap = reading.text[reached:start].strip()
            yield Atom(start, end, 0, before, block, tokenizer.count([gap[:_FARTHEST]])[0] if gap else 0)
            reached = end
            heads = is_heading or _is_header(reading.text, start, end, block)
            before = Break.NEVER if heads else Break.ATOM
            follows_heading = is_heading
            path = block.heading


def _is_header(text: str, start: int, end: int, block: Block) -> bool:
    """Whether these are words of a table's header row, or the rule below it."""
    if not block.header:
        return False
    behind = start - block.start - len(block.header)
    return behind < 0 or (behind < _RULE_BELOW and not any(map(str.isalnum, text[start:end])))


def _parts(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Where a block can be split without harm."""
    if block.kind is BlockKind.HEADING:
        return sentences.pieces(text, block.start, block.end)
    if block.kind in {BlockKind.TABLE, BlockKind.CODE}:
        return _lines(text, block.start, block.end)
    return sentences.each(text, block.start, block.end)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines with their indentation kept between them, not in them."""
    for line in _LINE.finditer(text, start, end):
        yield from sentences.pieces(text, line.start(), line.end())


def _batches(found: Iterable[Atom]) -> Iterator[list[Atom]]:
    batch: list[Atom] = []
    for atom in found:
        batch.append(atom)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _counted(text: str, batch: list[Atom], tokenizer: Tokenizer) -> list[Atom]:
    counts = tokenizer.count([text[atom.start : atom.end] for atom in batch])
    return [
        Atom(
            atom.start,
            atom.end,
            max(count, (atom.end - atom.start) // WIDEST_TOKEN),
            atom.before,
            atom.block,
            atom.lead,
        )
        for atom, count in zip(batch, counts, strict=True)
    ]


def _within(batch: list[Atom], text: str, tokenizer: Tokenizer, limit: int) -> list[Atom]:
    """The same atoms, halved until each fits."""
    while any(atom.tokens > limit and atom.end - atom.start > 1 for atom in batch):
        pieces: list[Atom] = []
        for atom in batch:
            pieces.extend(_counted(text, _halves(atom, text), tokenizer) if atom.tokens > limit else [atom])
        batch = pieces
    return batch


def _halves(atom: Atom, text: str) -> list[Atom]:
    """Two pieces, cut at the blank nearest to the middle of the atom, or in the middle if there is none near."""
    middle = (atom.start + atom.end) // 2
    window = (atom.end - atom.start) // 4
    after = text.find(" ", middle, middle + window)
    before = text.rfind(" ", middle - window, middle)
    near = [place for place in (after, before) if place > atom.start]
    cut = min(near, key=lambda place: abs(place - middle)) if near else max(middle, atom.start + 1)
    second = cut + 1 if near else cut
    inside = Break.NEVER if atom.block.kind is BlockKind.HEADING else Break.INSIDE
    return [
        replace(atom, end=cut),
        replace(atom, start=second, before=inside, lead=0),
    ]
