from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from contract.samples import MODEL, LibraryAndIndex, Piece, candidates, document, indexed, put, texts

from ragstone.domain import AttributeValue, IndexedChunk, Span
from ragstone.errors import StoreNotFoundError, UnreadableFileError

pytestmark = pytest.mark.anyio


async def _breaking(chunks: Sequence[IndexedChunk]) -> AsyncIterator[Sequence[IndexedChunk]]:
    yield chunks
    raise UnreadableFileError("The file changed while it was read")


class TestLibrary:
    async def test_a_store_is_made_once_and_found_by_its_name_and_its_id(
        self, library_and_index: LibraryAndIndex
    ) -> None:
        library = library_and_index.library
        made = await library.open_store("handbook", MODEL)
        assert (made.name, made.model) == ("handbook", MODEL)
        assert made.public_id.startswith("vs_")
        assert await library.open_store("handbook", MODEL) == made
        assert await library_and_index.index.store("handbook") == made
        assert await library_and_index.index.store(made.public_id) == made

    async def test_an_unknown_store_is_an_error(self, library_and_index: LibraryAndIndex) -> None:
        with pytest.raises(StoreNotFoundError, match="handbook"):
            await library_and_index.index.store("handbook")

    async def test_a_store_knows_what_was_put_into_it_and_no_other(self, library_and_index: LibraryAndIndex) -> None:
        library = library_and_index.library
        store, other = await library.open_store("one", MODEL), await library.open_store("two", MODEL)
        attributes: dict[str, AttributeValue] = {"year": 2024.0, "draft": True, "team": "north"}
        await put(library_and_index, store, "/a.txt", Piece("alpha beta"), attributes=attributes)
        known = await library.known(store)
        assert list(known) == ["/a.txt"]
        assert known["/a.txt"].content_hash == document("/a.txt", [Piece("alpha beta")]).content_hash
        assert known["/a.txt"].pipeline == "contract-1"
        assert known["/a.txt"].attributes == attributes
        assert await library.known(other) == {}

    async def test_a_document_put_again_replaces_its_former_version(self, library_and_index: LibraryAndIndex) -> None:
        library = library_and_index.library
        store = await library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("old words", 10), Piece("old end", 20))
        await put(library_and_index, store, "/a.txt", Piece("new words", 30))
        known = await library.known(store)
        assert known["/a.txt"].content_hash == document("/a.txt", [Piece("new words")]).content_hash
        assert await texts(library_and_index, [store]) == ["new words"]

    async def test_the_same_source_in_two_stores_is_two_documents(self, library_and_index: LibraryAndIndex) -> None:
        library = library_and_index.library
        one, two = await library.open_store("one", MODEL), await library.open_store("two", MODEL)
        await put(library_and_index, one, "/a.txt", Piece("first"))
        await put(library_and_index, two, "/a.txt", Piece("second"))
        assert await library.remove(one, ["/a.txt"]) == 1
        assert await texts(library_and_index, [one]) == []
        assert await texts(library_and_index, [two]) == ["second"]

    async def test_a_document_without_chunks_is_known_and_finds_nothing(
        self, library_and_index: LibraryAndIndex
    ) -> None:
        store = await library_and_index.library.open_store("one", MODEL)
        await put(library_and_index, store, "/empty.txt")
        assert list(await library_and_index.library.known(store)) == ["/empty.txt"]
        assert (await candidates(library_and_index, [store], "words")).lexical.chunk_count == 0

    async def test_removing_counts_only_what_was_there(self, library_and_index: LibraryAndIndex) -> None:
        library = library_and_index.library
        store = await library.open_store("one", MODEL)
        await put(library_and_index, store, "/a.txt", Piece("alpha"))
        await put(library_and_index, store, "/b.txt", Piece("beta"))
        assert await library.remove(store, ["/a.txt", "/never.txt"]) == 1
        assert await library.remove(store, ["/a.txt"]) == 0
        assert list(await library.known(store)) == ["/b.txt"]

    async def test_a_breaking_put_leaves_the_former_version_untouched(self, library_and_index: LibraryAndIndex) -> None:
        library = library_and_index.library
        store = await library.open_store("one", MODEL)
        file_id = await put(library_and_index, store, "/a.txt", Piece("former words"))
        pieces = [Piece("latter words", 5)]
        with pytest.raises(UnreadableFileError):
            await library.put(store, document("/a.txt", pieces), _breaking(indexed(pieces)))
        found = await candidates(library_and_index, [store], "former", "latter")
        assert set(found.lexical.postings) == {"former"}
        assert (found.lexical.chunk_count, found.lexical.total_length) == (1, 2)
        assert await texts(library_and_index, [store]) == ["former words"]
        assert await library_and_index.index.quotes([store], [Span(file_id, 0, 6)]) == [frozenset({"former"})]

    async def test_a_breaking_put_of_a_new_source_leaves_no_trace(self, library_and_index: LibraryAndIndex) -> None:
        library = library_and_index.library
        store = await library.open_store("one", MODEL)
        pieces = [Piece("latter words", 5)]
        with pytest.raises(UnreadableFileError):
            await library.put(store, document("/a.txt", pieces), _breaking(indexed(pieces)))
        assert await library.known(store) == {}
        assert (await candidates(library_and_index, [store], "latter")).lexical.chunk_count == 0
