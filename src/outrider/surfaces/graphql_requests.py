"""What a request asks: a document, its variables and the name of the operation, as a JSON body or in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import parse_qsl

from outrider.core.errors import ValidationError
from outrider.core.storable import parse_api_json, storable_text

MOST_BYTES: Final = 1024 * 1024
_MEMBERS: Final = frozenset({"query", "variables", "operationName", "extensions"})


@dataclass(frozen=True, slots=True)
class GraphqlRequest:
    """What a caller asks."""

    query: str
    variables: Mapping[str, object]
    operation_name: str | None


def parse_request(body: bytes) -> GraphqlRequest:
    """Read a body, or raise `ValidationError` with what is wrong with it."""
    value = parse_api_json(body)
    if isinstance(value, list):
        raise ValidationError("Send one request at a time: a list of them is not accepted.")
    if not isinstance(value, dict):
        raise ValidationError("The body must be a JSON object with the member query.")
    members = cast("dict[str, object]", value)
    unknown = sorted(members.keys() - _MEMBERS)
    if unknown:
        raise ValidationError(f"The body has unknown members: {', '.join(map(ascii, unknown[:5]))}.")
    return _request_of(members)


def parse_address(query_string: bytes) -> GraphqlRequest:
    """Read a request from an address, in which variables and extensions are JSON; raises `ValidationError`."""
    try:
        given = dict(
            parse_qsl(query_string.decode(), keep_blank_values=True, errors="strict", max_num_fields=20)
        )
    except ValueError:
        raise ValidationError("The address cannot be read.") from None
    members: dict[str, object] = {}
    for name, text in given.items():
        if name not in _MEMBERS:
            continue  # an address may hold what others put there
        is_json = name in {"variables", "extensions"}
        members[name] = parse_api_json(text.encode()) if is_json else storable_text(text, name=name)
    return _request_of(members)


def _request_of(members: Mapping[str, object]) -> GraphqlRequest:
    query, variables, name = members.get("query"), members.get("variables"), members.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise ValidationError("The member query must be a GraphQL document.", path="query")
    if variables is not None and not isinstance(variables, dict):
        raise ValidationError("The member variables must be an object.", path="variables")
    if name is not None and not isinstance(name, str):
        raise ValidationError("The member operationName must be a string.", path="operationName")
    if not isinstance(members.get("extensions"), dict | None):
        raise ValidationError("The member extensions must be an object.", path="extensions")
    # Some clients send an empty name for none.
    return GraphqlRequest(query, cast("Mapping[str, object]", variables or {}), name or None)
