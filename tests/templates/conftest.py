"""A member who may write templates, in a new organisation."""

from dataclasses import dataclass
from typing import Any

import pytest

from outrider.runtime.parts import Runtime
from outrider.templates.managing import NewTemplate, create_template
from outrider.templates.rendering import TemplatesContext, render
from outrider.templates.values import Rendering, RenderRequest, Template, TemplateContent
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Role
from tests.tenants import Tenant, new_tenant


@dataclass(frozen=True)
class Author:
    """Somebody who writes templates of one application, and renders with them."""

    context: TemplatesContext
    tenant: Tenant
    member: ActingMember

    async def create(self, identifier: str, **content: Any) -> Template:
        """A new template."""
        new = NewTemplate(
            application_id=self.tenant.application_id,
            identifier=identifier,
            content=TemplateContent(**content),
        )
        return await create_template(self.context, self.member, new)

    async def render(self, template: str | None = None, **request: Any) -> Rendering:
        """A message."""
        return await render(self.context, self.tenant.actor, RenderRequest(template=template, **request))


async def new_author(runtime: Runtime) -> Author:
    """Somebody with an organisation of their own."""
    tenant = await new_tenant(runtime.tenancy)
    member = ActingMember(
        organisation_id=tenant.organisation_id,
        hidden_application_id=tenant.hidden_application_id,
        id=runtime.tenancy.ids.new(),
        session_id=runtime.tenancy.ids.new(),
        role=Role.DEVELOPER,
        tier="unlimited",
    )
    return Author(runtime.templates, tenant, member)


@pytest.fixture
async def author(runtime: Runtime) -> Author:
    """Somebody who writes templates."""
    return await new_author(runtime)


@pytest.fixture
async def foreigner(runtime: Runtime) -> Author:
    """The same, of another organisation."""
    return await new_author(runtime)
