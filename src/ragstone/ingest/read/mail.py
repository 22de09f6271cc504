"""Mail messages: the header lines, the text, and the attachments that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import Compat32
from typing import TypeAlias

from ragstone.domain import Reading
from ragstone.errors import FileSkippedError, UnreadableFileError
from ragstone.ingest.read.builder import Builder
from ragstone.ingest.read.decode import declared, decode
from ragstone.ingest.read.source import Source
from ragstone.ingest.read.tables import one_line
from ragstone.ingest.read.webpage import write_html

ReadAttachment: TypeAlias = Callable[[Source], Reading]
Part: TypeAlias = "Message[str, str]"

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


class _AsSent(Compat32):
    """Keeps letters beyond ASCII that stand in a header field unencoded, as many programs send them."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002  the library's signature
        """The value of a field, whose bytes came through as surrogates."""
        return value if value.isascii() else decode(value.encode("utf-8", "surrogateescape")).text


def read_mail(source: Source, read_attachment: ReadAttachment) -> Reading:
    """One message; attached files follow as sections of their own, those that cannot be read are named."""
    message = message_from_bytes(source.data, policy=_AsSent())
    builder = Builder("message/rfc822")
    fields = [(name, _header(message, name)) for name in _HEADERS]
    if not any(value for _, value in fields):
        raise source.unreadable("it has no header lines of a message", "Save the message again as EML.")
    builder.title = _header(message, "Subject")
    builder.heading(builder.title or "(no subject)", 1)
    builder.paragraph("\n".join(f"{name}: {value}" for name, value in fields if value))
    body, attachments = _sorted(message)
    for part in body:
        _write_body(builder, part)
    for number, part in enumerate(attachments, 1):
        _write_attachment(builder, source, part, number, read_attachment)
    return builder.build()


def _header(message: Part, name: str) -> str:
    return _decoded(str(message.get(name, "")))


def _decoded(raw: str) -> str:
    """Words of a header field, whose letters beyond ASCII are encoded."""
    try:
        return one_line(str(make_header(decode_header(raw))))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return one_line(raw)


def _leaves(part: Part) -> Iterator[Part]:
    """All parts that hold content; an attached message counts as one."""
    waiting = [part]
    while waiting:
        current = waiting.pop()
        inner = current.get_payload()
        if current.get_content_type() == "message/rfc822" or not isinstance(inner, list):
            yield current
        elif current.get_content_type() == "multipart/alternative":
            yield from _preferred([child for child in inner if isinstance(child, Message)])
        else:
            waiting.extend(child for child in reversed(inner) if isinstance(child, Message))


def _preferred(alternatives: list[Part]) -> Iterator[Part]:
    """Plain text if it says anything, else the richest other form; and the files that came with the others."""
    if not alternatives:
        return
    plain = (part for part in alternatives if part.get_content_type() == "text/plain" and _text(part).strip())
    chosen = next(plain, alternatives[-1])
    yield from _leaves(chosen)
    for other in alternatives:
        if other is not chosen:
            # Pictures without that disposition belong to the design of the form that was not chosen.
            yield from (
                leaf
                for leaf in _leaves(other)
                if leaf.get_content_disposition() == "attachment"
                or (leaf.get_filename() and leaf.get_content_maintype() != "image")
            )


def _sorted(message: Part) -> tuple[list[Part], list[Part]]:
    body: list[Part] = []
    attachments: list[Part] = []
    for part in _leaves(message):
        attached = part.get_content_disposition() == "attachment" or part.get_filename()
        is_text = part.get_content_type() in ("text/plain", "text/html")
        (body if is_text and not attached else attachments).append(part)
    return body, attachments


def _bytes(part: Part) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Part) -> str:
    return declared(_bytes(part), part.get_content_charset()).text


def _write_body(builder: Builder, part: Part) -> None:
    if part.get_content_type() == "text/html":
        write_html(builder, _text(part))
        return
    for paragraph in _text(part).split("\n\n"):
        builder.paragraph(paragraph)


def _write_attachment(
    builder: Builder, source: Source, part: Part, number: int, read_attachment: ReadAttachment
) -> None:
    inner = part.get_payload()
    if part.get_content_type() == "message/rfc822" and isinstance(inner, list) and isinstance(inner[0], Message):
        name, data = part.get_filename() or f"message {number}.eml", inner[0].as_bytes()
    else:
        name, data = part.get_filename() or f"attachment {number}", _bytes(part)
    name = _decoded(name)
    builder.heading(f"Attachment: {name}", 2)
    if source.depth >= source.limits.depth:
        builder.warn(f"attachment {name} is nested too deeply and was left out")
        return
    try:
        builder.include(read_attachment(source.attached(name, data)))
    except FileSkippedError:
        return  # pictures and the like: their name is all there is to say
    except UnreadableFileError as error:
        builder.warn(f"attachment {name} was left out: {error.why or error.what}")
