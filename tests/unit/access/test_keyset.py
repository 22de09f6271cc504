from __future__ import annotations

import base64
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from issuer import new_key
from jwt.algorithms import get_default_algorithms

from ragstone.access.keyset import ALGORITHMS, Key, find, read_keys

SIGNERS = get_default_algorithms()
EC_KEY = new_key("ES256")
RSA_KEY = new_key("RS256")


def jwk(key: Any, algorithm: str, **changes: Any) -> dict[str, Any]:
    entry = SIGNERS[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in {**entry, "kid": "a", **changes}.items() if value is not ...}


def read(*entries: object) -> tuple[Key, ...]:
    return read_keys({"keys": list(entries)})


def test_no_key_is_for_none_or_for_a_shared_secret() -> None:
    assert {"RS256", "PS512", "ES384", "EdDSA"} <= ALGORITHMS
    assert not {"none", "HS256", "HS384", "HS512"} & ALGORITHMS


def test_an_rsa_key_serves_the_algorithms_for_rsa_alone() -> None:
    (key,) = read(jwk(RSA_KEY, "RS256"))
    assert set(key.algorithms) == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def test_a_key_that_names_its_algorithm_serves_no_other() -> None:
    (key,) = read(jwk(RSA_KEY, "RS256", alg="PS384"))
    assert key.algorithms == ("PS384",)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA", "Ed448"])
def test_a_curve_has_one_algorithm(algorithm: str) -> None:
    name = algorithm if algorithm in SIGNERS else "EdDSA"
    (key,) = read(jwk(new_key(algorithm), name))
    assert key.algorithms == (name,)


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 64).decode(), "kid": "a", "alg": "HS256"},
        jwk(EC_KEY, "ES256", use="enc"),
        jwk(EC_KEY, "ES256", key_ops=["encrypt"]),
        jwk(EC_KEY, "ES256", key_ops="verify"),
        jwk(EC_KEY, "ES256", alg="RS256"),
        jwk(EC_KEY, "ES256", alg="HS256"),
        jwk(EC_KEY, "ES256", alg=["ES256"]),
        jwk(EC_KEY, "ES256", crv="secp256k1"),
        jwk(EC_KEY, "ES256", crv=["P-256"]),
        jwk(EC_KEY, "ES256", kty=["EC"]),
        jwk(EC_KEY, "ES256", x=1),
        jwk(EC_KEY, "ES256", x="é"),
        jwk(EC_KEY, "ES256", y=...),
        jwk(EC_KEY, "ES256", x="A" * 43),
        jwk(RSA_KEY, "RS256", n=None),
        jwk(RSA_KEY, "RS256", e="AQ"),
        SIGNERS["ES256"].to_jwk(EC_KEY, as_dict=True),
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {},
        "a key",
        None,
    ],
)
def test_an_entry_that_is_no_public_key_for_signatures_is_passed_over(entry: object) -> None:
    good = jwk(new_key("ES384"), "ES384", kid="good")
    assert [key.id for key in read(entry, good)] == ["good"]


def test_an_rsa_key_that_is_too_short_is_passed_over() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert read(jwk(short, "RS256")) == ()


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": None}, {"keys": {"a": {}}}, {"keys": []}])
def test_a_document_without_a_list_of_keys_has_none(document: object) -> None:
    assert read_keys(document) == ()


def test_the_name_in_the_header_and_the_algorithm_choose_the_key() -> None:
    keys = read(jwk(RSA_KEY, "RS256", kid="a"), jwk(EC_KEY, "ES256", kid="a"), jwk(new_key("ES256"), "ES256", kid="b"))
    chosen = find(keys, "a", "ES256")
    assert chosen is not None
    assert isinstance(chosen.public, ec.EllipticCurvePublicKey)
    assert find(keys, "c", "ES256") is None
    assert find(keys, "b", "RS256") is None


def test_without_a_name_the_only_key_for_the_algorithm_is_taken() -> None:
    keys = read(jwk(RSA_KEY, "RS256", kid=...), jwk(EC_KEY, "ES256", kid="a"), jwk(new_key("ES256"), "ES256", kid="b"))
    assert find(keys, None, "PS256") is keys[0]
    assert find(keys, None, "ES256") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([(EC_KEY, "ES256"), (RSA_KEY, "RS256")]), st.data())
def test_whatever_stands_in_an_entry_nothing_breaks(key: tuple[Any, str], data: st.DataObject) -> None:
    entry = jwk(*key)
    field = data.draw(st.sampled_from([*entry, "alg", "use", "key_ops", "x5c"]))
    assert len(read({**entry, field: data.draw(JSON)})) <= 1
