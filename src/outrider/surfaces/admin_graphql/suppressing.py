"""Suppression lists: how they are read, and their mutations."""

from collections.abc import Mapping
from typing import Final

from outrider.messaging import administering_suppressions as administering
from outrider.messaging.administering_suppressions import (
    SuppressionFilters,
    SuppressionPage,
    SuppressionView,
)
from outrider.platforms.base import Channel
from outrider.surfaces.admin_graphql.calling import Arguments, Call, Resolve
from outrider.surfaces.admin_graphql.cursors import SUPPRESSIONS, read_cursor, written_cursor


async def add_suppression(call: Call, given: Arguments) -> object:
    """`addSuppression`."""
    return await administering.suppress(
        call.administration.suppressions,
        call.member,
        given["applicationId"],
        channel=Channel[given["platformName"]],
        address=given["address"],
        note=given.get("note"),
    )


async def remove_suppression(call: Call, given: Arguments) -> object:
    """`removeSuppression`."""
    return await administering.unsuppress(
        call.administration.suppressions, call.member, given["applicationId"], given["id"]
    )


async def _suppressions(_source: object, call: Call, arguments: Arguments) -> SuppressionPage | None:
    first = arguments.get("first")
    given: Arguments = arguments.get("filters") or {}
    platform, reason = given.get("platformName"), given.get("reason")
    return await administering.list_suppressions(
        call.administration.suppressions,
        call.member,
        arguments["applicationId"],
        first=20 if first is None else first,
        after=read_cursor(SUPPRESSIONS, arguments.get("after")),
        filters=SuppressionFilters(
            channel=None if platform is None else Channel[platform],
            reason=None if reason is None else reason.lower(),
            address=given.get("address"),
        ),
    )


def _page_info(source: SuppressionPage, _call: Call, _arguments: Arguments) -> Mapping[str, object]:
    return {
        "hasNextPage": source.has_next,
        "hasPreviousPage": source.has_previous,
        "startCursor": _cursor(source.entries[0]) if source.entries else None,
        "endCursor": _cursor(source.entries[-1]) if source.entries else None,
    }


def _cursor(entry: SuppressionView) -> str:
    return written_cursor(SUPPRESSIONS, entry.id)


SUPPRESSION_RESOLVERS: Final[Mapping[str, Resolve]] = {
    "Query.suppressions": _suppressions,
    "Suppression.platformName": lambda source, _call, _arguments: source.channel.upper(),
    "Suppression.reason": lambda source, _call, _arguments: source.reason.upper(),
    "SuppressionConnection.edges": lambda source, _call, _arguments: source.entries,
    "SuppressionConnection.pageInfo": _page_info,
    "SuppressionEdge.node": lambda source, _call, _arguments: source,
    "SuppressionEdge.cursor": lambda source, _call, _arguments: _cursor(source),
}
"""The fields that are more than an attribute."""
