"""How fields are read: most are attributes of what operations return, the rest stands in one table."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from graphql import GraphQLResolveInfo

from outrider.platforms.config import MASK
from outrider.surfaces.admin_graphql.calling import Arguments, Call, Resolve
from outrider.surfaces.admin_graphql.cursors import AUDIT_LOG, read_cursor, written_cursor
from outrider.surfaces.admin_graphql.suppressing import SUPPRESSION_RESOLVERS
from outrider.templates import managing as managing_templates
from outrider.templates.managing import Draft
from outrider.templates.values import JsonObject, Rendering, Template
from outrider.tenancy.administering import AdministeredApplication, get_organisation
from outrider.tenancy.administering_connections import AdministeredConnection
from outrider.tenancy.api_keys import ApiKey
from outrider.tenancy.auditing import AuditEvent, AuditFilters, AuditPage, list_audit
from outrider.tenancy.managing_accounts import AccountView
from outrider.tenancy.members import invitations, signing_in
from outrider.tenancy.queries_backends import DefaultRow

_CAPITAL: Final = re.compile("[A-Z]")


@dataclass(frozen=True, slots=True)
class _Author:
    """Who did something, and what they are called now."""

    type: str
    id: UUID | None
    name: str | None


def resolve_field(source: object, info: "GraphQLResolveInfo[Call]", **arguments: object) -> object:
    """Give a field of a value: by the table, else by the attribute of the same name."""
    resolve = RESOLVERS.get(f"{info.parent_type.name}.{info.field_name}")
    if resolve is not None:
        return resolve(source, info.context, arguments)
    return written(getattr(source, _CAPITAL.sub(lambda found: f"_{found[0].lower()}", info.field_name)))


def written(value: object) -> object:
    """Give a value as the schema names it: members of enumerations by their names."""
    return value.name if isinstance(value, Enum) else value


def _root(resolve: Callable[[Call], Awaitable[object]]) -> Resolve:
    return lambda _source, call, _arguments: resolve(call)


def _upper(attribute: str) -> Resolve:
    return lambda source, _call, _arguments: str(getattr(source, attribute)).upper()


async def _application(_source: object, call: Call, arguments: Arguments) -> AdministeredApplication | None:
    return next((one for one in await call.applications() if one.id == arguments["id"]), None)


async def _connections_of(
    source: AdministeredApplication, call: Call, _arguments: Arguments
) -> Sequence[AdministeredConnection]:
    return [one for one in await call.connections() if one.application_id == source.id]


async def _keys_of(source: AdministeredApplication, call: Call, _arguments: Arguments) -> Sequence[ApiKey]:
    return [one for one in await call.api_keys() if one.application_id == source.id]


async def _backends_of(
    source: AdministeredApplication, call: Call, _arguments: Arguments
) -> Sequence[DefaultRow]:
    return [one for one in await call.default_backends() if one.application_id == source.id]


async def _backend_account(source: DefaultRow, call: Call, _arguments: Arguments) -> AccountView:
    return next(one for one in await call.accounts() if one.id == source.account_id)


async def _templates_of(
    source: AdministeredApplication, call: Call, _arguments: Arguments
) -> Sequence[Template]:
    return [one for one in await call.templates() if one.application_id == source.id]


async def _template(_source: object, call: Call, arguments: Arguments) -> Template | None:
    return next((one for one in await call.templates() if one.id == arguments["id"]), None)


async def _template_versions(_source: object, call: Call, arguments: Arguments) -> Sequence[Template]:
    context = call.administration.templates
    return await managing_templates.list_template_versions(context, call.member, arguments["id"])


async def _preview(_source: object, call: Call, arguments: Arguments) -> Rendering | None:
    given: Arguments = arguments.get("draft") or {}
    return await managing_templates.preview_template(
        call.administration.templates,
        call.member,
        arguments["id"],
        sample=arguments.get("locals"),
        version=arguments.get("version"),
        draft=Draft(
            sender=given.get("from"),
            subject=given.get("subject"),
            text_body=given.get("textBody"),
            html_body=given.get("htmlBody"),
            styles=given.get("styles"),
        ),
    )


async def _organisation_locals(_source: object, call: Call, _arguments: Arguments) -> JsonObject:
    return (await call.locals()).get(None, {})


async def _application_locals(
    source: AdministeredApplication, call: Call, _arguments: Arguments
) -> JsonObject:
    return (await call.locals()).get(source.id, {})


def _of_content(attribute: str) -> Resolve:
    return lambda source, _call, _arguments: getattr(source.content, attribute)


def _account_url(source: AccountView, call: Call, _arguments: Arguments) -> str:
    return source.webhook_url or f"{call.tenancy.public_url}/webhooks/{source.webhook_id}/{MASK}"


async def _audit_log(_source: object, call: Call, arguments: Arguments) -> AuditPage:
    first = arguments.get("first")
    return await list_audit(
        call.tenancy,
        call.member,
        first=20 if first is None else first,
        after=read_cursor(AUDIT_LOG, arguments.get("after")),
        filters=_filters(arguments.get("filters") or {}),
    )


def _filters(given: Arguments) -> AuditFilters:
    kind: Arguments = given.get("eventType") or {}
    moment: Arguments = given.get("createdAt") or {}
    types: set[str] | None = None
    if kind.get("equals") is not None:
        types = {kind["equals"]}
    if kind.get("in") is not None:
        types = set(kind["in"]) if types is None else types & set(kind["in"])
    return AuditFilters(
        event_types=None if types is None else sorted(types),
        before=moment.get("lt"),
        at_or_before=moment.get("lte"),
        after=moment.get("gt"),
        at_or_after=moment.get("gte"),
    )


async def _author(source: AuditEvent, call: Call, _arguments: Arguments) -> _Author:
    name = (await call.names()).get(source.author_id) if source.author_id is not None else None
    return _Author(source.author_type, source.author_id, name)


def _page_info(source: AuditPage, _call: Call, _arguments: Arguments) -> Mapping[str, object]:
    return {
        "hasNextPage": source.has_next,
        "hasPreviousPage": source.has_previous,
        "startCursor": _cursor(source.events[0]) if source.events else None,
        "endCursor": _cursor(source.events[-1]) if source.events else None,
    }


def _cursor(event: AuditEvent) -> str:
    return written_cursor(AUDIT_LOG, event.id)


def _member_of_mapping(name: str) -> Resolve:
    return lambda source, _call, _arguments: source[name]


async def _organisation(call: Call) -> object:
    return await get_organisation(call.tenancy, call.member)


async def _me(call: Call) -> object:
    return await signing_in.me(call.administration.access, call.member)


async def _invitations(call: Call) -> object:
    return await invitations.list_invitations(call.tenancy, call.member)


RESOLVERS: Final[Mapping[str, Resolve]] = {
    "Query.me": _root(_me),
    "Query.organisation": _root(_organisation),
    "Query.application": _application,
    "Query.invitations": _root(_invitations),
    "Query.connections": _root(Call.connections),
    "Query.template": _template,
    "Query.templates": _root(Call.templates),
    "Query.templateVersions": _template_versions,
    "Query.previewTemplate": _preview,
    "Query.auditLog": _audit_log,
    "Organisation.auditLog": _audit_log,
    **{
        f"{parent}.{name}": _root(read)
        for parent in ("Query", "Organisation")
        for name, read in (
            ("applications", Call.applications),
            ("members", Call.members),
            ("apiKeys", Call.api_keys),
            ("messageKeys", Call.message_keys),
            ("readKeys", Call.read_keys),
            ("accounts", Call.accounts),
        )
    },
    "Application.config": lambda source, _call, _arguments: source.settings.as_config(),
    "Application.platformConnections": _connections_of,
    "Application.apiKeys": _keys_of,
    "Application.defaultBackends": _backends_of,
    "DefaultBackend.platformName": _upper("channel"),
    "DefaultBackend.account": _backend_account,
    "MessageKey.signingRequired": lambda source, _call, _arguments: source.is_signing_required,
    "MessageKey.secretWaived": lambda source, _call, _arguments: source.is_secret_waived,
    "Application.templates": _templates_of,
    "Application.locals": _application_locals,
    "Organisation.locals": _organisation_locals,
    **{
        f"{parent}.{name}": _of_content(attribute)
        for parent in ("Template", "TemplateVersion")
        for name, attribute in (
            ("from", "sender"),
            ("subject", "subject"),
            ("textBody", "text_body"),
            ("htmlBody", "html_body"),
            ("styles", "styles"),
            ("locals", "locals"),
            ("strict", "is_strict"),
        )
    },
    "TemplatePreview.from": lambda source, _call, _arguments: source.sender,
    "Member.status": _upper("status"),
    "Account.platformName": _upper("channel"),
    "Account.webhookUrl": _account_url,
    "PlatformConnection.platformName": _upper("channel"),
    "PlatformConnection.inDoubtPolicy": _upper("in_doubt_policy"),
    "ConnectionHealth.lastCheckedAt": lambda source, _call, _arguments: source.checked_at,
    "PlatformConnectionTestResult.success": lambda source, _call, _arguments: source.is_healthy,
    "AuditLogConnection.edges": lambda source, _call, _arguments: source.events,
    "AuditLogConnection.pageInfo": _page_info,
    "AuditLogEdge.node": lambda source, _call, _arguments: source,
    "AuditLogEdge.cursor": lambda source, _call, _arguments: _cursor(source),
    "AuditEvent.by": _author,
    **{
        f"PageInfo.{name}": _member_of_mapping(name)
        for name in ("hasNextPage", "hasPreviousPage", "startCursor", "endCursor")
    },
    **SUPPRESSION_RESOLVERS,
}
"""The fields that are more than an attribute."""
