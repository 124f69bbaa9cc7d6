"""What the tests of reads share: two tenants in a database of their own, and a way to ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
from hypothesis.strategies import SearchStrategy

from outrider.surfaces.developer_graphql.cursors import FEED
from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.developer_graphql.queries.feeds import LARGEST, MOST, POSITION
from outrider.surfaces.developer_graphql.queries.reads import LARGEST_ANSWER
from outrider.surfaces.developer_graphql.queries.statements import Call
from outrider.surfaces.developer_graphql.reading import Reading, answer_query, plan_feed
from outrider.tenancy.actors import Actor
from tests.surfaces.developer_graphql.generating import Filters, filters_of, queries
from tests.surfaces.developer_graphql.reference import Reader
from tests.surfaces.developer_graphql.seeding import World
from tests.tenants import Tenant

PUBLIC_URL = "https://outrider.test"


def file_url(application_id: UUID, file_id: UUID) -> str:
    """A link to a file, as these tests make it."""
    return f"{PUBLIC_URL}/files/{file_id}?of={application_id}"


@dataclass(frozen=True)
class Stage:
    """A seeded world: `tenant` asks, `stranger` must not be seen."""

    reading: Reading
    documents: Documents
    world: World
    tenant: Tenant
    stranger: Tenant

    @cached_property
    def filters(self) -> Filters:
        """Made-up filters by the name of their type."""
        return filters_of(self.reader)

    @cached_property
    def queries(self) -> SearchStrategy[tuple[str, dict[str, object]]]:
        """Made-up queries."""
        return queries(self.reader, self.filters)

    @property
    def reader(self) -> Reader:
        """The tenant as the reference sees it."""
        return Reader(self.world, self.tenant, PUBLIC_URL)

    async def ask_text(
        self, document: str, variables: Mapping[str, object] | None = None, actor: Actor | None = None
    ) -> str:
        """Answer a query with the compiler: the JSON of its data."""
        operation = self.documents.operation(document, None)
        coerced = operation.coerce(variables or {})
        call = Call(actor or self.tenant.actor, coerced.coerced)
        return await answer_query(self.reading, operation, call, coerced)

    async def follow(self, document: str, variables: Mapping[str, object], most: int) -> list[Any]:
        """Ask a feed once from the start of the log: the nodes of its events."""
        row = await self.reading.database.reads.fetchrow(*self.feed(document, variables, most))
        assert row is not None
        return [orjson.loads(text[FEED.length :])["node"] for text in row["events"]]

    def feed(
        self, document: str, variables: Mapping[str, object], most: int, position: int = 0
    ) -> tuple[str, *tuple[object, ...]]:
        """The statement that a feed asks, and its arguments."""
        operation = self.documents.operation(document, None)
        coerced = operation.coerce(variables)
        plan = plan_feed(self.reading.public_url, operation, coerced)
        asked = {POSITION: position, MOST: most, LARGEST: LARGEST_ANSWER}
        return plan.sql, *plan.statement.arguments(Call(self.tenant.actor, coerced.coerced, asked))

    async def ask(
        self, document: str, variables: Mapping[str, object] | None = None, actor: Actor | None = None
    ) -> Any:
        """Answer a query with the compiler."""
        return orjson.loads(await self.ask_text(document, variables, actor))
