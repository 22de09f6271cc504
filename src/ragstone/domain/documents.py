"""Files as they are read, cut and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

AttributeValue: TypeAlias = str | float | bool
Attributes: TypeAlias = Mapping[str, AttributeValue]


class BlockKind(StrEnum):
    """What a stretch of a document is to its reader."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a document's stored text: `text[start:end]`."""

    kind: BlockKind
    start: int  # offset of the first character in the stored text
    end: int  # offset behind the last character
    heading: tuple[str, ...] = ()  # titles above this block, outermost first; a heading's own title comes last
    page: int | None = None  # counted from 1; a slide or a sheet counts as a page
    header: str = ""  # of a table: its header row as it stands in the text, repeated as context when rows split


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of one file: one text, and the blocks that cover it in order without overlap."""

    text: str  # what is stored, searched and quoted; never contains NUL
    blocks: tuple[Block, ...]
    media_type: str  # such as application/pdf
    title: str = ""  # from the document's metadata or its first heading; may be empty
    warnings: tuple[str, ...] = ()  # what was left out, in the reader's words, such as "page 3 has no text: try OCR"


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a chunk goes on under another heading or on another page."""

    start: int  # offset in the stored text from which on this holds
    heading: tuple[str, ...]
    page: int | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document that is found as a whole: `text == reading.text[start:end]`."""

    ordinal: int  # position in the document, from 0
    start: int
    end: int
    text: str
    heading: tuple[str, ...] = ()  # at its start
    page: int | None = None  # at its start
    context: str = ""  # title, heading path and table header: embedded and searched with the text, never quoted
    turns: tuple[Turn, ...] = ()  # further places inside it, ascending

    @property
    def searchable(self) -> str:
        """The text as the embedder and the lexical index see it."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class Known:
    """What a store knows of a source: enough to tell whether a file has changed."""

    content_hash: bytes  # SHA-256 of the file's bytes
    pipeline: str  # version of reader, splitter and analyzer that made its chunks
    attributes: Attributes = field(default_factory=dict)
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A version of a source that is about to be stored."""

    source: str  # identity inside the store: an absolute path or a URL
    filename: str
    content_hash: bytes
    pipeline: str
    size: int  # bytes of the file
    reading: Reading
    attributes: Attributes = field(default_factory=dict)
    readers: tuple[str, ...] = ()  # principals, ascending; none: everybody in the tenant


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are cut into chunks."""

    max_tokens: int  # of a chunk with its context, as the embedder counts
    overlap_tokens: int = 0  # of a chunk's end that the next one repeats; at most half of max_tokens

    def within(self, limit: int) -> Chunking:
        """The same for a model that reads `limit` tokens at once, with as large a share that overlaps.

        Whoever asks for more gets this: what a model does not read of a chunk is not found by its meaning.
        """
        if self.max_tokens <= limit:
            return self
        return Chunking(limit, self.overlap_tokens * limit // self.max_tokens)
