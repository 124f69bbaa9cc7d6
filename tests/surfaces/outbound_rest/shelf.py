"""How tests read, and how what is read gets there: rows as the operations of outreach write them."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from outrider.core.ids import time_of
from outrider.tenancy.read_keys import NewReadKey, create_read_key
from tests.clients import Answered, Client

MISSING = "00000000-0000-7000-8000-000000000000"
ENDPOINTS = (
    "/me",
    "/contacts",
    "/contacts/{contact}",
    "/contacts/{contact}/research",
    "/lists",
    "/lists/{list}",
    "/drafts",
    "/drafts/{draft}",
    "/events",
)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Reads:
    """An organisation with a read key. Its keys are many, so that no test waits for a bucket to fill."""

    client: Client
    key: str = field(repr=False)

    async def call(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        query: str = "",
        **parameters: object,
    ) -> Answered:
        """Any request below `/api/v1`; `query` is sent as it is."""
        query = query or urlencode(parameters)
        return await self.client.request(
            b"",
            method=method,
            path=f"/api/v1{path}{'?' if query else ''}{query}",
            headers={"authorization": f"Bearer {self.key}", "content-type": "", **(headers or {})},
        )

    async def get(self, path: str, **parameters: object) -> Any:
        """What a read that must succeed answers."""
        answered = await self.call(path, **parameters)
        assert answered.status == 200, answered.body
        assert answered.headers["content-type"] == "application/json"
        return answered.json()

    async def problem(self, path: str, *, status: int, slug: str, **given: Any) -> dict[str, Any]:
        """Why a request that must be refused was refused."""
        answered = await self.call(path, **given)
        assert answered.status == status, (path, given, answered.status, answered.body)
        return self.told(answered, status, slug)

    def told(self, answered: Answered, status: int, slug: str) -> dict[str, Any]:
        """A problem document, checked."""
        problem: dict[str, Any] = answered.json()
        assert answered.headers["content-type"] == "application/problem+json"
        assert problem.keys() == {"type", "title", "status", "detail"}
        assert problem["type"] == f"{self.client.server.runtime.settings.errors_url}/{slug}"
        assert problem["status"] == answered.status == status
        return problem

    async def walk(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        """All entries of a list, page after page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await (await self.fresh()).get(
                path, **parameters, **({} if cursor is None else {"cursor": cursor})
            )
            found += page["data"]
            cursor = page["nextCursor"]
            if cursor is None:
                return found

    async def fresh(self, *scopes: str, expires_at: datetime | None = None) -> "Reads":
        """The same organisation with another key."""
        new = NewReadKey(
            name="tests",
            **({"scopes": scopes} if scopes else {}),
            **({"expires_at": expires_at} if expires_at else {}),
        )
        runtime = self.client.server.runtime
        created = await create_read_key(runtime.tenancy, self.organisation_id, new)
        return replace(self, key=created.token)

    @property
    def organisation_id(self) -> UUID:
        """Whose data it is."""
        return self.client.tenant.organisation_id

    def new_id(self) -> UUID:
        """An id."""
        return self.client.server.runtime.tenancy.ids.new()

    async def execute(self, statement: str, *values: object) -> None:
        """Write as the operations do, past the walls."""
        await self.client.server.runtime.database.system.execute(statement, *values)

    async def insert(self, table: str, row: dict[str, object], *, timed: bool = True) -> UUID:
        """Insert a row of the organisation; its id."""
        new = row.get("id", self.new_id())
        assert isinstance(new, UUID)
        times = {"created_at": time_of(new), "updated_at": time_of(new)} if timed else {}
        values = {"organisation_id": self.organisation_id, "id": new, **times, **row}
        numbers = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await self.execute(f"insert into {table} ({', '.join(values)}) values ({numbers})", *values.values())
        return new

    async def company(self, **row: object) -> UUID:
        """A company."""
        return await self.insert("companies", row)

    async def list(self, **row: object) -> UUID:
        """A contact list."""
        return await self.insert("contact_lists", {"name": "Harbours", "source_type": "manual", **row})

    async def contact(self, name: str = "Ada Lovelace", email: str | None = None, **row: object) -> UUID:
        """A contact with its address."""
        contact_id = self.new_id()
        email = email or f"{contact_id}@example.com"
        await self.insert("contacts", {"id": contact_id, "name": name, "email": email, **row})
        await self.execute(
            "insert into contact_addresses (organisation_id, channel_class, address, contact_id) "
            "values ($1, 'email', $2, $3)",
            self.organisation_id,
            email,
            contact_id,
        )
        return contact_id

    async def draft(self, contact_id: UUID, **row: object) -> UUID:
        """A draft to a contact."""
        given: dict[str, object] = {
            "application_id": self.client.tenant.application_id,
            "contact_id": contact_id,
        }
        if row.get("status") in {"approved", "scheduled"}:
            given["due_at"] = datetime(2999, 1, 1, tzinfo=UTC)
        draft_id = await self.insert("drafts", {**given, "subject": "Hello", **row})
        if row.get("message_id") is not None:
            # tied as sending does it: from here on the draft follows its message
            await self.execute(
                """with tied as (
                  update messages set draft_id = $2 where application_id = $1 and id = $3
                  returning id, state, sent_at)
                update drafts d set sent_at = tied.sent_at, status = draft_status(tied.state, is_replied($1, tied.id))
                from tied where d.application_id = $1 and d.id = $2""",
                self.client.tenant.application_id,
                draft_id,
                row["message_id"],
            )
        return draft_id

    async def dossier(self, contact_id: UUID, **row: object) -> None:
        """A dossier of a contact."""
        now = datetime.now(UTC)
        values: dict[str, object] = {
            "organisation_id": self.organisation_id,
            "contact_id": contact_id,
            "level": 4,
            "summary": "Builds engines.",
            "facts": json.dumps(
                [{"text": "Likes engines.", "source": "https://example.com", "eventId": None}]
            ),
            "researched_at": now - _DAY,
            "expires_at": now + _DAY,
            **row,
        }
        numbers = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await self.execute(f"insert into dossiers ({', '.join(values)}) values ({numbers})", *values.values())


@dataclass(frozen=True)
class Stock:
    """An organisation's shelf with one thing of each kind; each field that may be null is null once and once not."""

    contact: UUID
    bare_contact: UUID
    list: UUID
    bare_list: UUID
    draft: UUID
    bare_draft: UUID

    def path(self, template: str) -> str:
        """An endpoint's path to the things that have everything."""
        return template.format(contact=self.contact, list=self.list, draft=self.draft)


async def new_reads(client: Client) -> Reads:
    """A key that may read everything."""
    return await Reads(client, "").fresh()


async def fill(reads: Reads) -> Stock:
    """Put one thing of each kind on the shelf, and one with nothing but what it must have."""
    await reads.fresh(expires_at=datetime.now(UTC) + _DAY)
    half = await reads.company(name="Analytical Engines")
    company = await reads.company(name=None, domain=f"engines-{reads.new_id()}.example")
    now = datetime.now(UTC)
    whole_list = await reads.list(
        description="Who runs a harbour", connection_point="Met at the fair", goal="A ferry", archived_at=now
    )
    bare_list = await reads.list()
    contact = await reads.contact(
        company_id=company,
        list_id=whole_list,
        qualification_status="qualified",
        fit_score=80,
        urgency_score=0,
    )
    await reads.contact("Charles", company_id=half, list_id=bare_list)
    bare_contact = await reads.contact("Ghost")
    await reads.dossier(contact)
    sent = await sent_message(reads, contact)
    draft = await reads.draft(
        contact,
        list_id=whole_list,
        body_text="Hello",
        body_html="<p>Hello</p>",
        status="sent",
        scheduled_at=now,
        sent_at=now,
        message_id=sent,
    )
    bare_draft = await reads.draft(bare_contact)
    return Stock(contact, bare_contact, whole_list, bare_list, draft, bare_draft)


async def sent_message(reads: Reads, contact_id: UUID) -> UUID:
    """A message to a contact, sent by the sandbox as e-mail; its id."""
    email = await reads.client.server.runtime.database.system.fetchval(
        "select email from contacts where organisation_id = $1 and id = $2", reads.organisation_id, contact_id
    )
    connection = await reads.client.connect("EMAIL", "sandbox", {})
    sent = await reads.client.send(connection["id"], email)
    return UUID(sent["id"])
