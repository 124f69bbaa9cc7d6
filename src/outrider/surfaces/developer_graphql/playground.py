"""The page that a browser gets at `GET /`: one file of ours, which loads nothing and may reach nothing else."""

import base64
import hashlib
import re
from importlib import resources
from typing import Final

PAGE: Final = (
    resources.files("outrider.surfaces.developer_graphql")
    .joinpath("playground.html")
    .read_text("utf-8")
    .encode()
)


def _hash_of(element: bytes) -> str:
    inline = re.search(rb"<%b>(.*?)</%b>" % (element, element), PAGE, re.DOTALL)
    assert inline is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline[1]).digest()).decode()}'"


HEADERS: Final = (
    (
        b"content-security-policy",
        (
            f"default-src 'none'; script-src {_hash_of(b'script')}; style-src {_hash_of(b'style')}; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ).encode(),
    ),
    (b"cache-control", b"no-cache"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"accept"),
)


def wants_page(accept: bytes | None) -> bool:
    """Tell a browser from a program."""
    return accept is not None and b"text/html" in accept.lower()
