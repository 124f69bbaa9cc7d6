"""How tests speak to the administration: members who sign in over HTTP, and an organisation for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from outrider.runtime.parts import Runtime
from outrider.tenancy.members.managing import NewMember, create_member
from outrider.tenancy.members.roles import Role
from tests.clients import Answered, Caller, Server
from tests.tenants import Tenant, new_tenant

PASSWORD = "a lighthouse keeper's password"
PATH = "/admin/graphql"
SIGN_IN = """mutation($email: String!, $password: String!) { signIn(email: $email, password: $password) {
  accessToken expiresAt refreshToken refreshExpiresAt member { id email name role status lastSignedInAt } } }"""
REFRESH = """mutation($token: String!) { refresh(refreshToken: $token) {
  accessToken refreshToken member { id role } } }"""


@dataclass(frozen=True)
class Administrator(Caller):
    """Somebody at the administration; `key` is the access token, empty before signing in."""

    tenant: Tenant
    email: str = ""
    member_id: str = ""
    refresh_token: str = field(default="", repr=False)

    async def post(
        self, query: str, variables: Mapping[str, object] | None = None, **headers: str
    ) -> Answered:
        """A document, answered as it is."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        authorization = f"Bearer {self.key}" if self.key else ""
        return await self.request(body, path=PATH, headers={"authorization": authorization, **headers})

    async def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The whole answer, `data` and `errors`."""
        found: dict[str, Any] = (await self.post(query, variables)).json()
        return found

    async def sign_in(self, *, email: str = "", password: str = PASSWORD) -> "Administrator":
        """The same person, signed in anew."""
        data = await replace(self, key="").data(SIGN_IN, email=email or self.email, password=password)
        return self.holding(data["signIn"])

    async def refreshed(self) -> "Administrator":
        """The same person, with the session's next tokens."""
        return self.holding((await replace(self, key="").data(REFRESH, token=self.refresh_token))["refresh"])

    def holding(self, session: Mapping[str, Any]) -> "Administrator":
        """The same person with the tokens of a session."""
        return replace(
            self,
            key=session["accessToken"],
            refresh_token=session["refreshToken"],
            member_id=session["member"]["id"],
        )

    def at(self, base_url: str) -> "Administrator":
        """The same person, speaking to another server."""
        return replace(self, base_url=base_url)


async def new_administrator(
    server: Server, role: Role = Role.OWNER, *, tenant: Tenant | None = None
) -> Administrator:
    """A member of a new organisation, or of one that is given, signed in."""
    tenant = tenant or await new_tenant(server.runtime.tenancy)
    email = await add_member(server.runtime, tenant.organisation_id, role)
    administrator = Administrator(server.session, server.base_url, "", tenant, email=email)
    return await administrator.sign_in()


async def add_member(runtime: Runtime, organisation_id: UUID, role: Role) -> str:
    """Create a member with the usual password; gives its address."""
    email = f"{role.value}-{uuid4().hex[:12]}@lighthouse.example"
    new = NewMember(email=email, name=f"The {role.value}", role=role, password=PASSWORD)
    await create_member(runtime.access, organisation_id, new)
    return email
