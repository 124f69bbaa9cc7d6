"""Bodies that no vendor documents: arbitrary JSON, and known webhooks with something wrong in them."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import cast
from urllib.parse import parse_qsl, urlencode

import orjson
from hypothesis import strategies as st

from outrider.platforms.base import InboundRequest, ParsedWebhook

LONGEST_KEY = 300
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS


def json_values() -> st.SearchStrategy[object]:
    """JSON with everything that a JSON text may spell, lone surrogates and huge numbers included."""
    return st.recursive(
        _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
    )


def document_of(request: InboundRequest) -> object | None:
    """What a webhook's body says, JSON or an urlencoded form; None for what is neither."""
    try:
        return json.loads(request.body)
    except ValueError:
        pass
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def with_document(request: InboundRequest, document: object) -> InboundRequest:
    """The webhook with another document as its body."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return replace(request, body=json.dumps(document, ensure_ascii=True).encode())
    members = cast("dict[str, object]", document) if isinstance(document, dict) else {"value": document}
    pairs = [(name, str(value)) for name, value in members.items()]
    return replace(request, body=urlencode(pairs, errors="surrogatepass").encode())


def distorted(data: st.DataObject, document: object) -> object:
    """The document with one value somewhere replaced, or one member taken away."""
    path: list[str | int] = []
    inner = document
    while isinstance(inner, dict | list) and inner and (not path or data.draw(st.booleans())):
        branches = cast("dict[str, object] | list[object]", inner)
        keys: list[str] | range = list(branches) if isinstance(branches, dict) else range(len(branches))
        path.append(data.draw(st.sampled_from(list(keys))))
        inner = cast("Callable[[str | int], object]", branches.__getitem__)(path[-1])
    return _replaced(document, path, data.draw(json_values()), is_removal=data.draw(st.booleans()))


def _replaced(document: object, path: list[str | int], value: object, *, is_removal: bool) -> object:
    if not path:
        return value
    head, *rest = path
    if isinstance(document, dict):
        members = dict(cast("dict[str, object]", document))
        if is_removal and not rest:
            del members[str(head)]
        else:
            members[str(head)] = _replaced(members[str(head)], rest, value, is_removal=is_removal)
        return members
    entries = list(cast("list[object]", document))
    entries[int(head)] = _replaced(entries[int(head)], rest, value, is_removal=is_removal)
    return entries


def spoiled(document: object) -> object:
    """The document with a NUL and a lone surrogate in every text that is longer than an identifier's part."""
    match document:
        case str():
            return f"{document}\x00\udc80"
        case dict():
            members = cast("dict[str, object]", document)
            return {key: spoiled(value) for key, value in members.items()}
        case list():
            return [spoiled(value) for value in cast("list[object]", document)]
        case _:
            return document


def is_storable(value: object) -> bool:
    """Whether PostgreSQL can hold all of it."""
    try:
        return "\\u0000" not in orjson.dumps(value, default=str).decode()
    except TypeError:
        return False


def assert_storable(parsed: ParsedWebhook) -> None:
    """See that all items can be kept."""
    for item in parsed.items:
        assert is_storable(asdict(item))
        assert item.dedupe_key is None or len(item.dedupe_key) <= LONGEST_KEY
