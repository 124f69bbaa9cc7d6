"""The body of a request: JSON with a document, its variables and the name of the operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from outrider.core.errors import ValidationError
from outrider.core.storable import parse_api_json

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
    query, variables, name = members.get("query"), members.get("variables"), members.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise ValidationError("The member query must be a GraphQL document.", field="query")
    if variables is not None and not isinstance(variables, dict):
        raise ValidationError("The member variables must be an object.", field="variables")
    if name is not None and not isinstance(name, str):
        raise ValidationError("The member operationName must be a string.", field="operationName")
    if not isinstance(members.get("extensions"), dict | None):
        raise ValidationError("The member extensions must be an object.", field="extensions")
    # Some clients send an empty name for none.
    return GraphqlRequest(query, cast("Mapping[str, object]", variables or {}), name or None)
