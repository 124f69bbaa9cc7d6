"""Loaded by Schemathesis: signs every request that it sends, over the bytes that it sends.

A request that is meant to lack its key stays without it, and is refused.
"""

import itertools
import os
import time
from typing import Any

import schemathesis

from outrider.core.errors import ValidationError
from outrider.surfaces.outkit_rest.decoding import open_body
from outrider.surfaces.outkit_rest.signing import signature_of

_SECRET = os.environ["OUTKIT_SECRET"]
_numbers = itertools.count(1)


def _signed_part(content_type: str, body: bytes) -> bytes:
    try:
        return open_body(content_type.encode("latin-1", "replace"), body).signed
    except ValidationError:
        return body


def _sign(request: Any) -> Any:
    body = request.body or b""
    if isinstance(body, str):
        body = body.encode()
    # equal requests of one second would be repeats
    stamp = f"{int(time.time())}.{next(_numbers):09d}"
    signed = _signed_part(str(request.headers.get("Content-Type", "")), body)
    target = request.path_url.encode()
    request.headers["Outkit-Access-Timestamp"] = stamp
    request.headers["Outkit-Access-Signature"] = signature_of(
        _SECRET, stamp.encode(), request.method, target, signed
    )
    return request


@schemathesis.hook
def before_call(context: object, case: object, kwargs: dict[str, Any]) -> None:
    """Sign what is about to be sent."""
    del context, case
    kwargs["auth"] = _sign
