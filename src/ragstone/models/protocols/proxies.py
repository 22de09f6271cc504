"""Proxies that the environment names: HTTP_PROXY and HTTPS_PROXY, and NO_PROXY for the hosts that need none."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(url: str) -> str | None:
    """The address of the proxy that leads to `url`; None: it is asked directly, as this machine itself always is.

    Raises:
        ValueError: It is none that HTTP is spoken with.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = getproxies().get(parts.scheme)
    if not proxy or _is_here(host) or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in {"http", "https"} or not urlsplit(proxy).hostname:
        raise ValueError(f"{parts.scheme.upper()}_PROXY is no http:// or https:// address")
    return proxy


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
