"""Contacts and lists put there by hand, and drafts to them, for tests of what becomes of drafts."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from outrider.core.database.pools import Pool
from outrider.core.ids import IdClock
from outrider.outreach.drafts.listing import find_draft
from outrider.outreach.drafts.moving import approve_drafts
from outrider.outreach.drafts.values import Draft, DraftContent, DraftStatus, NewDraft
from outrider.outreach.drafts.writing import create_draft
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.tenancy.backends import set_default_backend
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.managing import NewMember, create_member
from outrider.tenancy.members.roles import Role
from tests.administrators import PASSWORD
from tests.running import connect_sandbox
from tests.tenants import Tenant, new_tenant

IDS = IdClock()


async def new_contact(
    pool: Pool,
    organisation_id: UUID,
    *,
    email: str | None = None,
    name: str = "Ada Lovelace",
    list_id: UUID | None = None,
    company: str | None = None,
) -> UUID:
    """A contact with an address of mail, perhaps at a company."""
    contact_id, company_id = IDS.new(), IDS.new() if company is not None else None
    address = email or f"ada-{uuid4().hex[:12]}@example.com"
    async with pool.acquire() as connection, connection.transaction():
        if company is not None:
            await connection.execute(
                """insert into companies (organisation_id, id, name, domain, created_at, updated_at)
                values ($1, $2, $3, $4, now(), now())""",
                organisation_id,
                company_id,
                company,
                f"{uuid4().hex[:12]}.example",
            )
        await connection.execute(
            """insert into contacts (organisation_id, id, name, email, company_id, list_id, created_at, updated_at)
            values ($1, $2, $3, $4, $5, $6, now(), now())""",
            organisation_id,
            contact_id,
            name,
            address,
            company_id,
            list_id,
        )
        await connection.execute(
            "insert into contact_addresses values ($1, 'email', $2, $3)",
            organisation_id,
            address.lower(),
            contact_id,
        )
    return contact_id


async def new_list(
    pool: Pool, organisation_id: UUID, application_id: UUID | None, account_id: UUID | None = None
) -> UUID:
    """A list whose drafts are sent for an application."""
    list_id = IDS.new()
    await pool.execute(
        """insert into contact_lists (organisation_id, id, name, source_type, goal, application_id, account_id,
          created_at, updated_at) values ($1, $2, 'Harbours', 'manual', 'a call', $3, $4, now(), now())""",
        organisation_id,
        list_id,
        application_id,
        account_id,
    )
    return list_id


@dataclass(frozen=True)
class Desk:
    """An organisation that writes mails: through the sandbox, to somebody."""

    runtime: Runtime
    tenant: Tenant
    member: ActingMember
    connection_id: UUID
    account_id: UUID

    @property
    def pool(self) -> Pool:
        """The database."""
        return self.runtime.database.system

    @property
    def organisation_id(self) -> UUID:
        """The organisation."""
        return self.tenant.organisation_id

    async def contact(self, **given: Any) -> UUID:
        """Somebody to write to."""
        return await new_contact(self.pool, self.organisation_id, **given)

    async def draft(self, contact_id: UUID | None = None, **given: Any) -> Draft:
        """A draft, to somebody new unless it is told to whom."""
        content = {name: given.pop(name) for name in ("template", "locals", "subject") if name in given}
        if "template" not in content:
            content = {"subject": "Your crossing", "body_text": "At 7:40?", **content}
        new = NewDraft(
            contact_id=contact_id or await self.contact(),
            application_id=self.tenant.application_id,
            content=DraftContent(**content),
            **given,
        )
        return await create_draft(self.runtime.drafts, self.member, new)

    async def approved(self, *drafts: Draft) -> None:
        """Approve drafts."""
        await approve_drafts(
            self.runtime.tenancy, self.organisation_id, [one.id for one in drafts], by=self.member
        )

    async def now(self, draft: Draft) -> Draft:
        """A draft as it is now."""
        found = await find_draft(self.runtime.tenancy, self.organisation_id, draft.id)
        assert found is not None
        return found

    async def becomes(self, draft: Draft, *statuses: DraftStatus, seconds: float = 10.0) -> Draft:
        """Wait until a draft is in one of these states."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.now(draft)
                if found.status in statuses:
                    return found
                await asyncio.sleep(0.02)

    async def messages(self, draft: Draft) -> list[UUID]:
        """The messages that were made of a draft, by what stands in their events."""
        rows = await self.pool.fetch(
            """select id from events where application_id = $1 and event_type = 'message.outbound'
              and payload ->> 'draft_id' = $2""",
            self.tenant.application_id,
            str(draft.id),
        )
        return [row["id"] for row in rows]


async def new_desk(runtime: Runtime, url: str | None = None, *, is_default: bool = True) -> Desk:
    """A new organisation with an account of the sandbox that takes mails, at `url` if one is given."""
    tenant = await new_tenant(runtime.tenancy)
    config = {} if url is None else {"api_base_url": url}
    connection = await connect_sandbox(runtime, tenant, channel=Channel.EMAIL, config=config)
    account_id = await runtime.database.system.fetchval(
        "select account_id from connections where id = $1", connection.id
    )
    if is_default:
        await set_default_backend(
            runtime.tenancy,
            tenant.organisation_id,
            tenant.application_id,
            channel=Channel.EMAIL,
            account_id=account_id,
        )
    return Desk(runtime, tenant, await new_member(runtime, tenant), connection.id, account_id)


async def new_member(runtime: Runtime, tenant: Tenant, role: Role = Role.OWNER) -> ActingMember:
    """Somebody of an organisation, at work."""
    email = f"{role.value}-{uuid4().hex[:12]}@lighthouse.example"
    new = NewMember(email=email, name="Grace", role=role, password=PASSWORD)
    member = await create_member(runtime.access, tenant.organisation_id, new)
    return ActingMember(
        organisation_id=tenant.organisation_id,
        hidden_application_id=tenant.hidden_application_id,
        id=member.id,
        session_id=uuid4(),
        role=role,
        tier="unlimited",
    )
