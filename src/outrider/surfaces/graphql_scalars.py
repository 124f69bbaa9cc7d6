"""The scalars of the schema: what is taken as an id, a moment or JSON, and what is refused."""

from datetime import UTC, datetime
from uuid import UUID

from graphql import GraphQLError

from outrider.core.errors import ValidationError
from outrider.core.ids import parse_id


def parse_uuid(value: object) -> UUID:
    """Read an id with or without a typed prefix."""
    if not isinstance(value, str):
        raise GraphQLError("UUID cannot represent a value that is not a string.")
    try:
        return parse_id(value)
    except ValidationError as problem:
        raise GraphQLError(problem.message) from None


def parse_moment(value: object) -> datetime:
    """Read a moment with its offset; it comes back in UTC."""
    if not isinstance(value, str):
        raise GraphQLError("DateTime cannot represent a value that is not a string.")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise GraphQLError(
        f"{value[:64]!a} is not a moment: ISO 8601 with an offset is expected, such as 2024-01-15T10:30:00Z."
    )


def parse_json(value: object) -> object:
    """Take any JSON value as it is."""
    return value
