"""What it means when there is no answer at all."""

from __future__ import annotations

from aiohttp import (
    ClientConnectorError,
    ClientHttpProxyError,
    ClientOSError,
    ClientResponseError,
    ConnectionTimeoutError,
    ServerDisconnectedError,
)

from ragstone.models.faults import MemberError
from ragstone.models.protocols.deadlines import Deadlines
from ragstone.models.protocols.trouble import Speaker, garbage, no_connection, too_slow


def unheard(speaker: Speaker, error: Exception, deadlines: Deadlines) -> MemberError:
    """The fault that one of aiohttp's errors before the beginning of an answer is; of its words nothing is told."""
    if isinstance(error, TimeoutError):
        is_connecting = isinstance(error, ConnectionTimeoutError)
        return no_connection(speaker, TimeoutError()) if is_connecting else too_slow(speaker, deadlines)
    if isinstance(error, ClientConnectorError):
        return no_connection(speaker, error.os_error)
    if isinstance(error, ClientHttpProxyError):
        return no_connection(speaker, OSError(None, f"its proxy answers with status {error.status}"))
    if isinstance(error, ClientOSError | ServerDisconnectedError):
        return no_connection(speaker, ConnectionError(None, "it hung up before it answered"))
    if isinstance(error, ClientResponseError):
        return garbage(speaker, "it does not speak HTTP/1.1")
    return no_connection(speaker, OSError(None, "that is no address of a host"))
