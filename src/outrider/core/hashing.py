"""Hashes and tokens: for secrets that are only ever compared, and for telling requests apart."""

import hashlib
import hmac
import json
import secrets
import uuid

import orjson

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def hash_secret(text: str) -> bytes:
    """Hash a secret of high entropy, such as an API key. Passwords need a slow hash instead."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def secrets_equal(a: str | bytes, b: str | bytes) -> bool:
    """Compare two secrets in a time that says nothing about where they differ."""
    return hmac.compare_digest(_bytes(a), _bytes(b))


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def canonical_hash(value: object) -> bytes:
    """Hash a JSON value so that equal values have equal hashes, whatever the order of their keys.

    Numbers count as they were written: 1 and 1.0 are different arguments.
    """
    try:
        canonical = orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # orjson takes no integer beyond 64 bits and no lone surrogate.
        canonical = json.dumps(value, default=_plain, sort_keys=True, allow_nan=False).encode()
    return hashlib.sha256(canonical).digest()


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def new_token(nbytes: int = 32) -> str:
    """Make a random token of letters and digits with at least `nbytes` bytes of entropy."""
    # 62 characters carry 5.954 bits each.
    length = -(-nbytes * 8_000 // 5_954)
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
