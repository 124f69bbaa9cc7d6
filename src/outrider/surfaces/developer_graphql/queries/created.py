"""What only the operation before a read knows, written as if it were a row: codes, merges, activations."""

from typing import Final

from outrider.surfaces.developer_graphql.queries.compiling import Compiling, Emit, Fields
from outrider.surfaces.developer_graphql.queries.texts import escaped, json, moment, plain
from outrider.surfaces.developer_graphql.selections import Selected


def _one(type_name: str, table: str, name: str) -> Emit:
    def emit(compiling: Compiling, _row: str, selected: Selected) -> list[str]:
        wanted = compiling.statement.created(name, "uuid")
        return compiling.one(type_name, table, f"{{row}}.id = {wanted}", selected)

    return emit


def _id(name: str) -> Emit:
    return lambda compiling, _row, _selected: plain(compiling.statement.created(name, "uuid"))


def _ids(name: str) -> Emit:
    return lambda compiling, _row, _selected: json(
        f"array_to_json({compiling.statement.created(name, 'uuid[]')})"
    )


LINK_CODE: Final[Fields] = {
    "code": lambda compiling, _row, _selected: escaped(compiling.statement.created("code", "text")),
    "expiresAt": lambda compiling, _row, _selected: moment(
        compiling.statement.created("expires_at", "timestamptz")
    ),
    "event": _one("Event", "events", "event_id"),
}
LINK_CODE_ACTIVATION: Final[Fields] = {
    "event": _one("Event", "events", "event_id"),
    "mergeEvent": _one("Event", "events", "merge_event_id"),
    "user": _one("User", "users", "user_id"),
    "absorbedUserId": _id("absorbed_user_id"),
    "mergedPlatformUserIds": _ids("merged_platform_user_ids"),
    "sourcePlatformUser": _one("PlatformUser", "platform_users", "source_platform_user_id"),
    "targetPlatformUser": _one("PlatformUser", "platform_users", "target_platform_user_id"),
}
USER_MERGE: Final[Fields] = {
    "event": _one("Event", "events", "event_id"),
    "user": _one("User", "users", "user_id"),
    "sourceUserId": _id("source_user_id"),
    "mergedPlatformUserIds": _ids("merged_platform_user_ids"),
}
