import hashlib
import json
import uuid

import pytest
from asyncpg.pgproto.pgproto import UUID
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.hashing import canonical_hash, hash_secret, new_token, secrets_equal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def reversed_keys(value: object) -> object:
    match value:
        case dict():
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        case list():
            return [reversed_keys(part) for part in value]
        case _:
            return value


def test_a_secret_is_hashed_with_sha256() -> None:
    assert hash_secret("otr_live_é") == hashlib.sha256("otr_live_é".encode()).digest()
    assert len(hash_secret("\ud800")) == 32


def test_secrets_are_compared_by_value() -> None:
    assert secrets_equal("é", "é".encode())
    assert not secrets_equal("secret", "secrets")
    assert not secrets_equal("", "x")


@given(JSON)
def test_the_order_of_keys_does_not_count(value: object) -> None:
    assert canonical_hash(value) == canonical_hash(reversed_keys(value))


@given(JSON, JSON)
def test_different_values_have_different_hashes(a: object, b: object) -> None:
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)

    assert (canonical_hash(a) == canonical_hash(b)) == same


def test_the_order_of_a_list_and_the_kind_of_a_number_count() -> None:
    hashes = {
        canonical_hash(value)
        for value in ([1, 2], [2, 1], [1.0, 2], ["1", 2], [True, 2], [None, 2], [[1], 2])
    }

    assert len(hashes) == 7


def test_ids_hash_like_their_text() -> None:
    made = uuid.uuid4()

    assert (
        canonical_hash({"id": made})
        == canonical_hash({"id": UUID(made.bytes)})
        == canonical_hash({"id": str(made)})
    )
    assert canonical_hash([made, 2**70]) == canonical_hash([str(made), 2**70])


def test_what_is_not_json_is_not_hashed() -> None:
    with pytest.raises(TypeError):
        canonical_hash({"x": object()})


def test_a_token_has_the_entropy_that_was_asked_for() -> None:
    tokens = {new_token(32) for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(token.isalnum() and token.isascii() and 62 ** len(token) >= 2**256 for token in tokens)
