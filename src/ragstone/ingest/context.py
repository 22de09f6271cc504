"""What a chunk is told of its place in the document: title, headings, table header."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.ingest.atoms import WIDEST_TOKEN
from ragstone.ports import Tokenizer

SEPARATOR = " > "
_MARKUP = "#*=_ \t\n"  # may stand before a heading's words in the text


class Context:
    """Makes contexts of at most `limit` tokens for the path, and as many for a table's header."""

    def __init__(self, title: str, tokenizer: Tokenizer, limit: int) -> None:
        self._title = title
        self._tokenizer = tokenizer
        self._limit = limit
        self._last: tuple[tuple[Sequence[str], str], tuple[str, int]] | None = None

    def of(self, path: Sequence[str], header: str, text: str) -> tuple[str, int]:
        """The context of a chunk that begins with `text`, and its tokens.

        Parts with which the text itself begins are left out; of what is too long the middle of the path goes first.
        """
        opening = text.lstrip(_MARKUP).casefold()
        parts: list[str] = []
        for part in (" ".join(part.split()) for part in (self._title, *path)):
            if part and part not in parts and not opening.startswith(part.casefold()):
                parts.append(part)
        key = (parts, header)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._fitted(parts, header))
        return self._last[1]

    def _fitted(self, parts: list[str], header: str) -> tuple[str, int]:
        while len(parts) > 1 and self._count(SEPARATOR.join(parts)) > self._limit:
            del parts[len(parts) // 2 if len(parts) > 2 else 0]  # noqa: PLR2004
        lines = (self._shortened(SEPARATOR.join(parts)), self._shortened(header.strip()))
        context = "\n".join(line for line in lines if line)
        return context, self._count(context)

    def _shortened(self, text: str) -> str:
        text = text[: self._limit * WIDEST_TOKEN]
        while text and (count := self._count(text)) > self._limit:
            text = text[: min(len(text) - 1, len(text) * self._limit // count)].rstrip()
        return text

    def _count(self, text: str) -> int:
        return self._tokenizer.count([text])[0] if text else 0
