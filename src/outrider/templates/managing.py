"""What members do with templates: create, change to a new version, archive, list and preview them, and set locals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from msgspec import UNSET, UnsetType

from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.storable import storable_text
from outrider.templates import queries
from outrider.templates.checking import check_content, checked_locals, checked_template_identifier
from outrider.templates.directory import template_of
from outrider.templates.queries import TemplateRow, VersionRow
from outrider.templates.rendering import TemplatesContext, render_with
from outrider.templates.values import JsonObject, Rendering, RenderRequest, Template, TemplateContent
from outrider.tenancy.context import Changed, append_audit, settings_transaction, tell_change
from outrider.tenancy.members.acting import ActingMember, actor_in
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.naming import checked_name

MOST_TEMPLATES: Final = 1_000
"""Of one application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTemplate:
    """A template that is to be; without a name it is called by its identifier."""

    application_id: UUID
    identifier: str
    name: str | None = None
    content: TemplateContent = field(default_factory=TemplateContent)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChanges:
    """What to change; unset leaves it, None removes it. Anything of the content makes a new version."""

    identifier: str | None = None
    name: str | None = None
    sender: str | UnsetType | None = UNSET
    subject: str | UnsetType | None = UNSET
    text_body: str | UnsetType | None = UNSET
    html_body: str | UnsetType | None = UNSET
    styles: str | UnsetType | None = UNSET
    locals: object = UNSET
    is_strict: bool | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Parts to preview in place of the stored ones."""

    sender: str | None = None
    subject: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    styles: str | None = None


async def create_template(context: TemplatesContext, member: ActingMember, new: NewTemplate) -> Template:
    """Create a template in its first version."""
    member.require(Permission.TEMPLATES)
    identifier = checked_template_identifier(new.identifier)
    name = identifier if new.name is None else checked_name(new.name)
    content = replace(_storable(new.content), locals=checked_locals(new.content.locals))
    await check_content(content)
    tenancy, organisation_id = context.tenancy, member.organisation_id
    await actor_in(tenancy, member, new.application_id)
    version = _version(new.application_id, tenancy.ids.new(), 1, content)
    try:
        async with settings_transaction(tenancy, organisation_id) as connection:
            if (
                await queries.count_templates(connection, organisation_id, new.application_id)
                >= MOST_TEMPLATES
            ):
                raise ValidationError(f"An application has at most {MOST_TEMPLATES:,} templates.")
            await queries.insert_template(
                connection, organisation_id, version, identifier=identifier, name=name
            )
            row = await queries.select_template(connection, organisation_id, version.template_id)
            assert row is not None
            await tell_change(connection, Changed.TEMPLATES, new.application_id)
            await append_audit(
                tenancy, connection, organisation_id, "system.template.created", _told(row), by=member
            )
    except asyncpg.UniqueViolationError:
        raise _taken(identifier) from None
    context.directory.forget(new.application_id)
    return template_of(row)


async def update_template(
    context: TemplatesContext, member: ActingMember, template_id: UUID, changes: TemplateChanges
) -> Template:
    """Change a template; it is rendered so from now on. Earlier versions stay as they are."""
    member.require(Permission.TEMPLATES)
    tenancy, organisation_id = context.tenancy, member.organisation_id
    async with settings_transaction(tenancy, organisation_id) as connection:
        row = await queries.select_template(connection, organisation_id, template_id)
    if row is None or row.archived_at is not None:
        raise _missing(template_id)
    content = _changed(template_of(row).content, changes)
    # what is stored was read before; what is changed is read outside of any transaction
    await check_content(content)
    identifier = checked_template_identifier(
        row.identifier if changes.identifier is None else changes.identifier
    )
    name = row.name if changes.name is None else checked_name(changes.name)
    try:
        async with settings_transaction(tenancy, organisation_id) as connection:
            row = await queries.select_template(connection, organisation_id, template_id, is_locked=True)
            if row is None or row.archived_at is not None:
                raise _missing(template_id)
            before = template_of(row).content
            content, version = _changed(before, changes), row.version
            if content != before:
                version += 1
                await queries.insert_version(
                    connection, organisation_id, _version(row.application_id, row.id, version, content)
                )
            await queries.update_template(
                connection, organisation_id, template_id, identifier=identifier, name=name, version=version
            )
            row = await queries.select_template(connection, organisation_id, template_id)
            assert row is not None
            await tell_change(connection, Changed.TEMPLATES, row.application_id)
            await append_audit(
                tenancy, connection, organisation_id, "system.template.updated", _told(row), by=member
            )
    except asyncpg.UniqueViolationError:
        raise _taken(identifier) from None
    context.directory.forget(row.application_id)
    return template_of(row)


async def archive_template(context: TemplatesContext, member: ActingMember, template_id: UUID) -> Template:
    """Put a template away: nothing is rendered with it any more, its identifier is free, its versions stay."""
    member.require(Permission.TEMPLATES)
    tenancy, organisation_id = context.tenancy, member.organisation_id
    async with settings_transaction(tenancy, organisation_id) as connection:
        row = await queries.select_template(connection, organisation_id, template_id, is_locked=True)
        if row is None or row.archived_at is not None:
            raise _missing(template_id)
        await queries.archive_template(connection, organisation_id, template_id)
        row = await queries.select_template(connection, organisation_id, template_id)
        assert row is not None
        await tell_change(connection, Changed.TEMPLATES, row.application_id)
        await append_audit(
            tenancy, connection, organisation_id, "system.template.archived", _told(row), by=member
        )
    context.directory.forget(row.application_id)
    return template_of(row)


async def list_templates(context: TemplatesContext, member: ActingMember) -> Sequence[Template]:
    """List the templates of all applications, archived ones too, the oldest first."""
    member.require(Permission.READ)
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        rows = await queries.select_templates(connection, member.organisation_id)
    return [template_of(row) for row in rows]


async def list_template_versions(
    context: TemplatesContext, member: ActingMember, template_id: UUID
) -> Sequence[Template]:
    """Every version of a template, the newest first; none of one that does not exist."""
    member.require(Permission.READ)
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        rows = await queries.select_versions(connection, member.organisation_id, template_id)
    return [template_of(row) for row in rows]


async def preview_template(
    context: TemplatesContext,
    member: ActingMember,
    template_id: UUID,
    *,
    sample: object,
    version: int | None = None,
    draft: Draft | None = None,
) -> Rendering | None:
    """Render a template with sample data, perhaps with parts that are not stored yet; None if there is none."""
    member.require(Permission.READ)
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        row = await queries.select_template(connection, member.organisation_id, template_id)
    if row is None:
        return None
    template: Template | None = template_of(row)
    if version is not None:
        template = await context.directory.version(row.application_id, template_id, version)
        if template is None:
            return None
    given = draft or Draft()
    request = RenderRequest(
        template_id=template_id,
        sender=given.sender,
        subject=given.subject,
        text_template=given.text_body,
        html_template=given.html_body,
        styles=given.styles if given.styles is not None or template is None else template.content.styles,
        locals={} if sample is None else checked_locals(sample),
    )
    return await render_with(context, member.in_application(row.application_id), request, template)


async def list_locals(context: TemplatesContext, member: ActingMember) -> Mapping[UUID | None, JsonObject]:
    """The locals of the organisation, under None, and those of its applications, where there are any."""
    member.require(Permission.READ)
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        rows = await queries.select_all_locals(connection, member.organisation_id)
    return {application_id: orjson.loads(text) for application_id, text in rows}


async def set_locals(
    context: TemplatesContext, member: ActingMember, application_id: UUID | None, given: object
) -> None:
    """Set all the locals of an application, or of the organisation."""
    member.require(Permission.TEMPLATES)
    tenancy, organisation_id = context.tenancy, member.organisation_id
    found = checked_locals(given)
    if application_id is not None:
        await actor_in(tenancy, member, application_id)
    async with settings_transaction(tenancy, organisation_id) as connection:
        await queries.put_locals(connection, organisation_id, application_id, orjson.dumps(found).decode())
        changed_id = application_id or organisation_id
        await tell_change(connection, Changed.TEMPLATES, changed_id)
        # their values may be long, and personal
        payload = {"application_id": application_id, "keys": sorted(found)[:100]}
        await append_audit(
            tenancy, connection, organisation_id, "system.template_locals.updated", payload, by=member
        )
    context.directory.forget(changed_id)


def _changed(content: TemplateContent, changes: TemplateChanges) -> TemplateContent:
    given = {
        name: value
        for name in ("sender", "subject", "text_body", "html_body", "styles", "is_strict")
        if (value := getattr(changes, name)) is not UNSET
    }
    if changes.locals is not UNSET:
        given["locals"] = checked_locals({} if changes.locals is None else changes.locals)
    return _storable(replace(content, **given))


def _storable(content: TemplateContent) -> TemplateContent:
    for name in ("sender", "subject", "text_body", "html_body", "styles"):
        text = getattr(content, name)
        if text is not None:
            storable_text(text, name=name)
    return content


def _version(application_id: UUID, template_id: UUID, version: int, content: TemplateContent) -> VersionRow:
    return VersionRow(
        application_id=application_id,
        template_id=template_id,
        version=version,
        sender=content.sender,
        subject=content.subject,
        text_body=content.text_body,
        html_body=content.html_body,
        styles=content.styles,
        locals=orjson.dumps(content.locals).decode(),
        is_strict=content.is_strict,
    )


def _told(row: TemplateRow) -> dict[str, object]:
    return {
        "template_id": row.id,
        "application_id": row.application_id,
        "identifier": row.identifier,
        "name": row.name,
        "version": row.version,
    }


def _taken(identifier: str) -> ResourceExists:
    return ResourceExists(
        f"The application has a template with the identifier {identifier!r} already.", identifier=identifier
    )


def _missing(template_id: UUID) -> NotFound:
    return NotFound("Template not found.", resource_type="Template", resource_id=str(template_id))
