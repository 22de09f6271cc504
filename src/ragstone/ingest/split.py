"""From a document to the chunks in which it is found.

A chunk ends where the document itself makes a break, the strongest one that lies within the size: before a heading,
else between blocks, else between sentences, rows or lines. Small sections under the same heading share a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from ragstone.domain import BlockKind, Chunk, Reading, Turn
from ragstone.ingest.atoms import WIDEST_TOKEN, Atom, Break, atoms
from ragstone.ingest.context import Context
from ragstone.ports import Tokenizer

SPLITTER_VERSION = "1"
DEFAULT_SIZE = 200  # tokens
SMALLEST_SIZE = 16  # tokens

_CONTEXT_SHARE = 4  # the path takes at most this part of the size, and a table's header as much
_FILLED = {Break.SECTION: 0.0, Break.BLOCK: 0.5, Break.ATOM: 0.25, Break.INSIDE: 0.0}  # of the size, to end there


def split(reading: Reading, tokenizer: Tokenizer, size: int = DEFAULT_SIZE, overlap: int = 0) -> Iterator[Chunk]:
    """The chunks of a document, in order, together all of its blocks but for blanks.

    `size` is the most tokens of a chunk with its context, as the tokenizer counts and without special tokens.

    `overlap` is the most tokens with which a chunk repeats the end of the former one, in whole sentences, rows or
    lines, beside something new. Less is repeated, or nothing, where the new part needs the room, and nothing of a
    section that the new part would not share a chunk with.

    Raises:
        ValueError: The size is below `SMALLEST_SIZE`, or the overlap negative or above half of the size.
    """
    if size < SMALLEST_SIZE:
        raise ValueError(f"a chunk needs at least {SMALLEST_SIZE} tokens, not {size}")
    if not 0 <= overlap <= size // 2:
        raise ValueError(f"chunks of {size} tokens can overlap by 0 to {size // 2}, not {overlap}")
    share = size // _CONTEXT_SHARE
    context = Context(reading.title, tokenizer, share)
    ahead: list[Atom] = []
    repeated = 0  # atoms at the beginning of `ahead` that the former chunk ends with
    source = atoms(reading, tokenizer, limit=size - 2 * share)
    ordinal = 0
    while True:
        _refill(ahead, source, 2 * size + overlap)
        if len(ahead) == repeated:
            return
        described, count = _cut(reading.text, ahead, repeated, size, context)
        while not count:
            del ahead[0]
            repeated -= 1
            described, count = _cut(reading.text, ahead, repeated, size, context)
        first, last = ahead[0], ahead[count - 1]
        yield Chunk(
            ordinal=ordinal,
            start=first.start,
            end=last.end,
            text=reading.text[first.start : last.end],
            heading=first.block.heading,
            page=first.block.page,
            turns=tuple(_turns(ahead[:count])),
            context=described,
        )
        ordinal += 1
        repeated = _repeatable(ahead, count, overlap)
        del ahead[: count - repeated]


def _cut(text: str, ahead: Sequence[Atom], repeated: int, size: int, context: Context) -> tuple[str, int]:
    """The context of the chunk that begins here, and how many atoms it takes.

    None where the first `repeated` of them leave no room for what is new, or make it end where no chunk should.
    """
    first = ahead[0]
    header = first.block.header if first.start > first.block.start else ""
    opening = text[first.start : ahead[min(1, len(ahead) - 1)].end]
    described, spent = context.of(first.block.heading, header, opening)
    count = _ending(ahead, size - spent, repeated + 1)
    if repeated:
        fits = _cost(ahead[:count])[-1] <= size - spent
        badly = count < len(ahead) and ahead[count].before is Break.NEVER
        if badly or not fits:
            return described, 0
    return described, count


def _turns(run: Sequence[Atom]) -> Iterator[Turn]:
    """Where the chunk leaves its first heading or page, and each further change."""
    for before, atom in pairwise(run):
        if (atom.block.heading, atom.block.page) != (before.block.heading, before.block.page):
            yield Turn(atom.start, atom.block.heading, atom.block.page)


def _refill(ahead: list[Atom], source: Iterator[Atom], wanted: int) -> None:
    """Look ahead far enough to see where the next chunk could end, too."""
    seen = _cost(ahead)[-1] if ahead else 0
    for atom in source if seen < wanted else ():
        ahead.append(atom)
        seen += atom.lead + atom.tokens
        if max(seen, (atom.end - ahead[0].start) // WIDEST_TOKEN) >= wanted:
            return


def _cost(run: Sequence[Atom]) -> list[int]:
    """Tokens from the first atom to the end of each."""
    sums = accumulate((atom.lead + atom.tokens for atom in run[1:]), initial=run[0].tokens)
    return [max(tokens, (atom.end - run[0].start) // WIDEST_TOKEN) for tokens, atom in zip(sums, run, strict=True)]


def _ending(ahead: Sequence[Atom], budget: int, least: int) -> int:
    """How many atoms the chunk takes: at least so many, and at least one."""
    cost = _cost(ahead)
    most = least
    while most < len(ahead) and cost[most] <= budget:
        if ahead[most].before is Break.SECTION and not _may_share(ahead[0], ahead[most]):
            return most
        most += 1
    if most == len(ahead):
        return most
    for strength in (Break.SECTION, Break.BLOCK, Break.ATOM, Break.INSIDE):
        for count in range(most, least - 1, -1):
            if ahead[count].before >= strength and (
                cost[count - 1] >= _FILLED[strength] * budget or _would_break(ahead, count, most, budget)
            ):
                return count
    return most


def _repeatable(run: Sequence[Atom], count: int, overlap: int) -> int:
    """With how many of its last atoms, but never all, a chunk's end may begin the next chunk."""
    tokens = 0
    sections = [atom for atom in run[count : count + 1] if atom.before is Break.SECTION]
    for number in range(1, count):
        atom = run[count - number]
        tokens += atom.tokens + (run[count - number + 1].lead if number > 1 else 0)
        length = (run[count - 1].end - atom.start) // WIDEST_TOKEN
        if max(tokens, length) > overlap or not all(_may_share(atom, section) for section in sections):
            return number - 1
        if atom.before is Break.SECTION:
            sections.append(atom)
    return max(count - 1, 0)


def _may_share(first: Atom, other: Atom) -> bool:
    """Whether the section that begins with `other` lies under the heading above the chunk's first section."""
    path, other_path = first.block.heading, other.block.heading
    above = path[:-1] or path
    return other_path[: len(above)] == above if above else not other_path


def _would_break(ahead: Sequence[Atom], start: int, most: int, budget: int) -> bool:
    """Whether a table or listing begins here that this chunk has no room for, but the next one has."""
    block = ahead[start].block
    if block.kind not in {BlockKind.TABLE, BlockKind.CODE} or ahead[most].block is not block:
        return False
    whole = [atom for atom in ahead[start:] if atom.block is block]
    return ahead[start].before is Break.BLOCK and _cost(whole)[-1] <= budget
