"""Variables are read as graphql-core reads them, only faster."""

from typing import Any

import pytest
from graphql.execution.values import VariableValues
from hypothesis import given
from hypothesis import strategies as st

from outrider.surfaces.developer_graphql.documents import Documents, Operation
from outrider.surfaces.graphql_errors import RequestRefused

_DOCUMENTS = Documents()
_SEND = _DOCUMENTS.operation(
    """mutation($inputs: [SendMessageInput!]!, $id: UUID!, $wait: Boolean = false, $at: DateTime, $ids: [UUID!],
      $platform: PlatformName! = SMS, $config: JSON) {
      sendMessages(inputs: $inputs) { error { code } }
      sendMessage(platformConnectionId: $id, toExternalId: "x", wait: $wait, scheduledAt: $at, fileIds: $ids) { id }
      createPlatformConnection(platformName: $platform, name: "x", config: $config) { id } }""",
    None,
)
_FIND = _DOCUMENTS.operation(
    """query($filters: EventFilters, $order: EventOrder, $first: Int = 5, $texts: [String!]) {
      events(filters: $filters, orderBy: $order, first: $first) { totalCount }
      others: events(filters: { eventType: { in: $texts } }) { totalCount } }""",
    None,
)
_ID = "00000000-0000-7000-8000-00000000000a"
_leaves = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        1.0,
        2**40,
        "",
        "x",
        _ID,
        f"pc_{_ID}",
        "2024-01-15T10:30:00Z",
        "SMS",
        "ASC",
        [],
        {},
    ]
)
_names = st.sampled_from(
    """platformConnectionId toExternalId message wait metadata fileIds eventType equals in or not createdAt gte field
    direction surprise""".split()  # noqa: SIM905  as a list it would take a line for each
)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
)
_message = st.fixed_dictionaries(
    {"platformConnectionId": st.just(_ID), "toExternalId": st.just("x")},
    optional={
        "message": _leaves,
        "metadata": _values,
        "fileIds": _values,
        "wait": _leaves,
        "scheduledAt": _leaves,
    },
)
_send_variables = st.fixed_dictionaries(
    {"inputs": st.lists(_message, max_size=3) | _message | _values, "id": st.just(_ID) | _leaves},
    optional={"wait": _leaves, "at": _leaves, "ids": _values, "platform": _leaves, "config": _values},
)
_find_variables = st.fixed_dictionaries(
    {},
    optional={
        "filters": _values
        | st.fixed_dictionaries({}, optional={"eventType": _values, "or": _values, "not": _values}),
        "order": _values | st.just({"field": "CREATED_AT", "direction": "ASC"}),
        "first": _leaves,
        "texts": _values,
    },
)


@pytest.mark.parametrize(("operation", "variables"), [(_SEND, _send_variables), (_FIND, _find_variables)])
@given(data=st.data())
def test_variables_are_read_as_graphql_core_reads_them(
    operation: Operation, variables: st.SearchStrategy[dict[str, Any]], data: st.DataObject
) -> None:
    given_values = data.draw(variables)

    assert _read(operation, given_values) == _as_graphql_core(operation, given_values)


def test_what_is_left_out_has_its_default() -> None:
    assert _SEND.coerce({"inputs": [], "id": _ID}).coerced["platform"] == "SMS"
    assert _SEND.coerce({"inputs": [], "id": _ID}).coerced["wait"] is False
    assert "at" not in _SEND.coerce({"inputs": [], "id": _ID}).coerced
    assert _FIND.coerce({"first": None}).coerced == {"first": None}


def _read(operation: Operation, values: dict[str, Any]) -> object:
    try:
        return dict(operation.coerce(values).coerced)
    except RequestRefused:
        return "refused"


def _as_graphql_core(operation: Operation, values: dict[str, Any]) -> object:
    try:
        found: VariableValues = operation.values(values)
    except RequestRefused:
        return "refused"
    return dict(found.coerced)
