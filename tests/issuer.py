"""A real OpenID Connect issuer on loopback: it signs tokens, publishes its keys, rotates them, and goes down."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import AllowedPrivateKeys, get_default_algorithms

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/keys"

_CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
_SIGNERS = get_default_algorithms()
_ids = count(1)

Keys = Mapping[str, tuple[str, AllowedPrivateKeys]]  # by algorithm: id and private key


def new_keys() -> Keys:
    """A key of each kind; the one for RS256 serves RS* and PS*."""
    return {family: (f"{family}-{next(_ids)}", new_key(family)) for family in ("RS256", *_CURVES, "EdDSA")}


def new_key(algorithm: str) -> AllowedPrivateKeys:
    """A private key for an algorithm; RS* and PS* take the same kind."""
    if algorithm.startswith("ES"):
        return ec.generate_private_key(_CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(value: object) -> str:
    """A segment of a token: bytes as they are, anything else as JSON."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(header: object, claims: object, algorithm: str, key: object) -> str:
    """A token with exactly this header and these claims, sensible or not."""
    content = f"{encoded(header)}.{encoded(claims)}"
    return f"{content}.{encoded(_SIGNERS[algorithm].sign(content.encode(), key))}"


class LocalIssuer:
    """The issuer, while it is entered; afterwards nobody listens at its address."""

    def __init__(
        self, *, now: Callable[[], float] = time.time, keys: Keys | None = None, certificate: Path | None = None
    ) -> None:
        """`now` dates its tokens; with a PEM file of key and certificate it speaks TLS."""
        self.now = now
        self.fetches: Counter[str] = Counter()  # by path
        self.overrides: dict[str, bytes] = {}  # answers by path, instead of the sound ones
        self.status = 200
        self.gate = threading.Event()  # answers wait for it
        self.gate.set()
        self._is_down = False
        self._keys = keys or new_keys()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def mint(self, algorithm: str = "RS256", header: Mapping[str, object] | None = None, **claims: object) -> str:
        """A token as an application would get it, of alice for `ragstone`; a claim that is ... is left out."""
        key_id, key = self.key(algorithm)
        now = int(self.now())
        sound = {"iss": self.url, "aud": "ragstone", "sub": "alice", "iat": now, "exp": now + 300, "jti": "1"}
        full_header = {"typ": "JWT", "alg": algorithm, "kid": key_id, **(header or {})}
        return signed(without_gaps(full_header), without_gaps({**sound, **claims}), algorithm, key)

    def key(self, algorithm: str = "RS256") -> tuple[str, AllowedPrivateKeys]:
        """Id and private key that sign now."""
        family = algorithm if algorithm in self._keys else "RS256"
        return self._keys[family]

    def rotate(self) -> None:
        """Withdraw all keys and sign with new ones."""
        self._keys = new_keys()

    def go_down(self) -> None:
        """Hang up on everybody."""
        self._is_down = True

    def come_back(self) -> None:
        """Answer again."""
        self._is_down = False

    def jwks(self) -> list[dict[str, Any]]:
        """The published keys."""
        published = []
        for family, (key_id, key) in self._keys.items():
            jwk = _SIGNERS[family].to_jwk(key.public_key(), as_dict=True)
            published.append({**jwk, "kid": key_id, "use": "sig"})
        return published

    def configuration(self) -> dict[str, object]:
        """What discovery answers."""
        return {"issuer": self.url, "jwks_uri": self.url + KEYS}

    def answer(self, path: str) -> bytes | None:
        """What stands at a path; None hangs up."""
        self.fetches[path] += 1
        self.gate.wait()
        if self._is_down:
            return None
        sound: dict[str, object] = {CONFIGURATION: self.configuration(), KEYS: {"keys": self.jwks()}}
        return self.overrides.get(path) or json.dumps(sound.get(path, {})).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = issuer.answer(self.path)
                if content is None:
                    return
                self.send_response(issuer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
                """Tests are quiet."""

        return Handler


def without_gaps(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not ...}
