"""Where a server is."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a base address."""

    host: str
    port: int
    is_tls: bool
    authority: str  # for the header Host
    path: str  # without a slash at its end

    @classmethod
    def of(cls, url: str) -> Address:
        """The parts of `http[s]://host[:port][/path]`.

        Raises:
            ValueError: The host or the port does not fit.
        """
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("it names no host")
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
        default = _PORTS[parts.scheme]
        shown = f"[{host}]" if ":" in host else host
        port = default if parts.port is None else parts.port
        authority = shown if port == default else f"{shown}:{port}"
        path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
        return cls(host, port, parts.scheme == "https", authority, path)
