"""How postings lie in the database: 12 bytes a chunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ragstone.domain import IndexedChunk, Postings

ENTRY = np.dtype([("chunk_id", "<i8"), ("frequency", "<u2"), ("length", "<u2")])
_MOST = np.iinfo(np.uint16).max  # a longer chunk or a more frequent term scores the same as this one


def term_count(chunk: IndexedChunk) -> int:
    """Terms of a chunk, as BM25 counts its length."""
    return min(sum(chunk.terms.values()), _MOST)


def pack(ids: Sequence[int], chunks: Sequence[IndexedChunk]) -> tuple[list[str], list[bytes]]:
    """Terms and their packed entries for chunks with these ids, ascending."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    for chunk_id, chunk in zip(ids, chunks, strict=True):
        length = term_count(chunk)
        for term, frequency in chunk.terms.items():
            found.setdefault(term, []).append((chunk_id, min(frequency, _MOST), length))
    return list(found), [np.array(entries, ENTRY).tobytes() for entries in found.values()]


def unpack(rows: Iterable[tuple[str, bytes]], dead: Sequence[int]) -> dict[str, Postings]:
    """Postings by term out of rows of (term, entries), without the chunks that are gone."""
    parts: dict[str, list[bytes]] = {}
    for term, entries in rows:
        parts.setdefault(term, []).append(entries)
    gone = np.array(dead, np.int64)
    postings = {term: _live(np.frombuffer(b"".join(p), ENTRY), gone) for term, p in parts.items()}
    return {
        term: Postings(
            chunk_ids=np.ascontiguousarray(entries["chunk_id"]),
            frequencies=entries["frequency"].astype(np.int64),
            lengths=entries["length"].astype(np.int64),
        )
        for term, entries in postings.items()
        if len(entries)
    }


def _live(
    entries: np.ndarray[tuple[int], np.dtype[np.void]], gone: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    ids = entries["chunk_id"]
    if len(gone):
        entries = entries[~np.isin(ids, gone)]
        ids = entries["chunk_id"]
    # Segments cover ranges of ids that may interleave; they mostly do not.
    if len(ids) > 1 and not bool(np.all(ids[1:] > ids[:-1])):
        entries = entries[np.argsort(ids, kind="stable")]
    return entries
