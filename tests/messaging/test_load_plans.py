"""Plans are made while the tables are nearly empty and kept while they grow: none may depend on their sizes."""

import json
from typing import Any

import asyncpg
import pytest

from outrider.core.database.pools import STEADY_PLANS
from outrider.messaging import cross_tenant as messages
from outrider.webhooks import cross_tenant as webhooks


def _lookups(plan: dict[str, Any]) -> list[str]:
    found = [plan["Index Cond"]] if "Index Cond" in plan else []
    assert plan["Node Type"] != "Seq Scan", plan
    return found + [lookup for inner in plan.get("Plans", []) for lookup in _lookups(inner)]


@pytest.mark.parametrize(
    "statement", [messages.LOAD_OUTBOUND, messages.SELECT_ATTEMPTED, webhooks.LOAD_FROZEN]
)
async def test_batches_are_loaded_by_whole_keys_from_the_first_plan_on(dsn: str, statement: str) -> None:
    session = {**STEADY_PLANS, "plan_cache_mode": "force_generic_plan", "jit": "off"}
    connection = await asyncpg.connect(dsn, server_settings=session)
    try:
        longest = [2**31 - 1] if "$3" in statement else []
        explained = await connection.fetchval(f"explain (format json) {statement}", [], [], *longest)
    finally:
        await connection.close()

    lookups = _lookups(json.loads(explained)[0]["Plan"])

    assert lookups
    # the application alone would mean to go through everything it has, once for each pair of the batch
    assert [lookup for lookup in lookups if " AND " not in lookup] == []
