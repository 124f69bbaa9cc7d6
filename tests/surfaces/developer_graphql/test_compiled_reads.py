"""Compiled reads answer what graphql-core's own executor answers over the same rows."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from outrider.surfaces.graphql_errors import FieldRefused, RequestRefused
from tests.surfaces.developer_graphql.reference import answer
from tests.surfaces.developer_graphql.seeding import ids_of
from tests.surfaces.developer_graphql.stage import Stage

LISTS = {
    "events": "EventFilters",
    "users": "UserFilters",
    "platformUsers": "PlatformUserFilters",
    "logs": "LogFilters",
    "files": "FileFilters",
    "suppressions": "SuppressionFilters",
    "conversations": "ConversationFilters",
    "webhookDeliveries": "WebhookDeliveryFilters",
}

FIND = (
    "query($filters: EventFilters) { events(filters: $filters, first: 200) { edges { node { id status } } } }"
)
FOLLOW = "subscription($filters: EventFilters) { events(filters: $filters) { node { id status } } }"


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_generated_queries_answer_as_the_reference_does(stage: Stage, data: st.DataObject) -> None:
    text, variables = data.draw(stage.queries)
    try:
        compiled = await stage.ask_text(text, variables)
    except (FieldRefused, RequestRefused) as refused:
        # Too many fields or values are refused before anything is read.
        assume("more than" not in str(refused))
        raise

    expected: Any = answer(stage.reader, text, variables)

    event(f"characters: {len(text) // 500 * 500}")
    assert orjson.loads(compiled) == expected
    assert list(orjson.loads(compiled)) == list(expected)
    assert not [one for one in ids_of(stage.world, stage.stranger) if one in compiled]


@pytest.mark.parametrize(("field", "type_name"), list(LISTS.items()))
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_generated_filters_find_what_the_reference_finds(
    stage: Stage, field: str, type_name: str, data: st.DataObject
) -> None:
    find = (
        f"query($filters: {type_name}) "
        f"{{ {field}(filters: $filters, first: 200) {{ totalCount edges {{ node {{ id }} }} }} }}"
    )
    variables = {"filters": data.draw(stage.filters[type_name])}

    found = await stage.ask(find, variables)

    expected: Any = answer(stage.reader, find, variables)
    event(f"found: {len(expected[field]['edges']) // 10 * 10}")
    assert found == expected


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_generated_filters_let_through_a_feed_what_the_reference_finds(
    stage: Stage, data: st.DataObject
) -> None:
    variables = {"filters": data.draw(stage.filters["EventFilters"])}
    most = data.draw(st.integers(1, 100))

    found = await stage.follow(FOLLOW, variables, most)

    expected: Any = answer(stage.reader, FIND, variables)
    edges = expected["events"]["edges"]
    event(f"found: {len(edges) // 10 * 10}")
    positions = {str(row["id"]): row["position"] for row in stage.reader.all("events")}
    in_order = sorted((edge["node"] for edge in edges), key=lambda node: positions[node["id"]])
    assert found == in_order[:most]
