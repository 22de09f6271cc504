"""A form with a file in it, read while it comes in: neither is ever whole in memory or in a temporary file."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from ragstone.errors import InvalidRequestError, UnsupportedMediaTypeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LARGEST_FIELDS = 512 * 1024  # bytes of all fields that are no files
_MOST_PARTS = 2_000
_END = b""  # of a part; its pieces are never empty


@dataclass
class Part:
    """A field of a form."""

    form: Form
    headers: dict[bytes, bytes]  # by name in lower case
    name: str = field(init=False)
    filename: str | None = field(init=False)  # None: the field is no file

    def __post_init__(self) -> None:
        kind, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part of it has no name")
        self.name = options[b"name"].decode("utf-8", "replace")
        filename = options.get(b"filename")
        self.filename = None if filename is None else filename.decode("utf-8", "replace")

    async def pieces(self) -> AsyncIterator[bytes]:
        """What is left of its content.

        Raises:
            InvalidRequestError: The form breaks off.
        """
        while piece := await self.form.read():
            assert isinstance(piece, bytes)
            yield piece

    async def text(self) -> str:
        """Its content, of a field that is no file.

        Raises:
            InvalidRequestError: It is too long with those before it, or the form breaks off.
        """
        content = bytearray()
        async for piece in self.pieces():
            content += piece
            self.form.texts += len(piece)
            if self.form.texts > _LARGEST_FIELDS:
                raise InvalidRequestError(
                    f"The fields up to {self.name} are too long",
                    why=f"beside its file, a form has at most {_LARGEST_FIELDS:,} bytes",
                    remedy="Send files with a file name",
                    param=self.name,
                )
        return content.decode("utf-8", "replace")


class Form:
    """The parts of a multipart form, one after the other, as they come in."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        """Read the body of a request with this content type.

        Raises:
            UnsupportedMediaTypeError: It is no multipart form.
        """
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise UnsupportedMediaTypeError(
                "This route reads a form with a file", remedy="Send it as multipart/form-data with a boundary"
            )
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": lambda: self._events.append(Part(self, self._headers)),
            "on_part_data": self._add_piece,
            "on_part_end": lambda: self._events.append(_END),
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)
        except FormParserError as error:
            raise _malformed(str(error)) from None
        self.texts = 0  # bytes that were read of fields that are no files
        self._stream = stream
        self._events: deque[Part | bytes] = deque()
        self._ended = False
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()

    async def next(self) -> Part | None:
        """The next part; what is left of the former one is skipped. None at the end.

        Raises:
            InvalidRequestError: The form is malformed or breaks off.
        """
        while (event := await self.read()) is not None:
            if isinstance(event, Part):
                return event
        return None

    async def read(self) -> Part | bytes | None:
        """The next part, the next piece of it, or nothing in bytes at its end; None at the end of the form.

        Raises:
            InvalidRequestError: The form is malformed or breaks off.
        """
        while not self._events:
            piece = await self._piece()
            if piece is None and self._ended:
                return None
            if piece is None:
                raise _malformed("it breaks off")
            try:
                self._parser.write(piece)
            except FormParserError as error:
                raise _malformed(str(error)) from None
        return self._events.popleft()

    async def _piece(self) -> bytes | None:
        try:
            return await anext(self._stream, None)
        except ClientDisconnect:
            # Nobody hears this, but it ends like every other form that breaks off.
            raise _malformed("the connection was closed in the middle of it") from None

    def _begin_part(self) -> None:
        self._headers = {}
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise _malformed(f"it has more than {_MOST_PARTS:,} parts")

    def _end_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _add_piece(self, data: bytes, start: int, end: int) -> None:
        if end > start:
            self._events.append(data[start:end])

    def _end(self) -> None:
        self._ended = True


def _malformed(why: str) -> InvalidRequestError:
    return InvalidRequestError("The form cannot be read", why=why, remedy="Send it again as multipart/form-data")
