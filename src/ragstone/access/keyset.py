"""The public keys that an issuer publishes (RFC 7517), each bound to the algorithms that it may be used with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import AllowedPublicKeys

# By type of key and its curve. No `none` and no HMAC: a public key can never serve as a shared secret.
_ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}
ALGORITHMS = frozenset(algorithm for algorithms in _ALGORITHMS.values() for algorithm in algorithms)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that signatures are checked with."""

    id: str | None  # its `kid`
    algorithms: tuple[str, ...]  # those that a token signed with it may name
    public: AllowedPublicKeys


def read_keys(document: object) -> tuple[Key, ...]:
    """The keys of a JWKS document that can check signatures; what else it holds is passed over.

    Passed over are keys for encryption, shared secrets, keys published with their private half, RSA keys of fewer
    than 2,048 bits (NIST SP 800-131A), unknown kinds, and everything malformed.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return ()
    keys = (_read_key(entry) for entry in entries if isinstance(entry, dict))
    return tuple(key for key in keys if key is not None)


def find(keys: Iterable[Key], key_id: str | None, algorithm: str) -> Key | None:
    """The key that a token's header names; without a name the only one for its algorithm (OIDC Core, 10.1)."""
    fitting = [key for key in keys if algorithm in key.algorithms and key_id in (None, key.id)]
    if key_id is None and len(fitting) > 1:
        return None
    return fitting[0] if fitting else None


def _read_key(entry: Mapping[str, object]) -> Key | None:
    algorithms = _algorithms_of(entry)
    if not algorithms or not _is_for_signatures(entry):
        return None
    key_id = entry.get("kid")
    try:
        parsed = jwt.PyJWK(dict(entry), algorithms[0])
    except (jwt.PyJWTError, UnsupportedAlgorithm):  # OpenSSL in FIPS mode may lack a curve
        return None
    if parsed.Algorithm.check_key_length(parsed.key) is not None:
        return None
    return Key(key_id if isinstance(key_id, str) else None, algorithms, parsed.key)


def _algorithms_of(entry: Mapping[str, object]) -> tuple[str, ...]:
    kind, curve, named = entry.get("kty"), entry.get("crv"), entry.get("alg")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return ()
    possible = _ALGORITHMS.get((kind, curve), ())
    return possible if named is None else tuple(algorithm for algorithm in possible if algorithm == named)


def _is_for_signatures(entry: Mapping[str, object]) -> bool:
    operations = entry.get("key_ops")
    may_verify = operations is None or (isinstance(operations, list) and "verify" in operations)
    return may_verify and entry.get("use") in (None, "sig") and "d" not in entry
