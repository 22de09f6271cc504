"""What headers say in the words of any language."""

from __future__ import annotations

from ragstone.errors import InvalidRequestError


def header_text(header: str, value: str) -> str:
    """The text of a header's value, which is UTF-8; Starlette gives its bytes as Latin-1, a character each.

    Raises:
        InvalidRequestError: It is in another encoding: a name would be taken for somebody else's.
    """
    try:
        return value.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InvalidRequestError(
            f"The header {header} is not UTF-8",
            remedy="Send the bytes of its text in UTF-8; clients that write headers in Latin-1 have to be told to",
            param=header,
        ) from None
