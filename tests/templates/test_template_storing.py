"""What can be stored as a template, by whom, and that versions and tenants are kept apart by the database."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from outrider.core.errors import (
    AppError,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    ResourceExists,
    ValidationError,
)
from outrider.runtime.parts import Runtime
from outrider.templates.errors import RenderError
from outrider.templates.managing import (
    NewTemplate,
    TemplateChanges,
    archive_template,
    create_template,
    list_template_versions,
    list_templates,
    set_locals,
    update_template,
)
from outrider.templates.values import TemplateContent
from outrider.tenancy.members.roles import Role
from tests.templates.conftest import Author


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"subject": "{{#if a}}"}, "subject"),
        ({"sender": "{{"}, "from"),
        ({"text_body": "{{/x}}"}, "text"),
        ({"html_body": "{{> a b c}}"}, "html"),
        ({"html_body": "x" * 300_000}, "html"),
        ({"styles": "p{}</style>"}, "styles"),
        ({"styles": "p{}" * 100_000}, "styles"),
    ],
)
async def test_what_cannot_be_rendered_is_not_stored(
    author: Author, content: dict[str, str], part: str
) -> None:
    with pytest.raises(RenderError) as caught:
        await author.create("t", **content)

    assert caught.value.part == part
    assert await list_templates(author.context, author.member) == []


@pytest.mark.parametrize(
    "identifier", ["", "a b", "/a", "a/", "@partial-block", "x" * 101, "ä", "a\n", "{{a}}"]
)
async def test_an_identifier_can_be_named_in_a_template(author: Author, identifier: str) -> None:
    with pytest.raises(ValidationError):
        await author.create(identifier)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        ({"text_body": "a\0b"}, ValidationError),
        ({"text_body": "\ud800"}, ValidationError),
        ({"subject": "x" * 2_001}, ValidationError),
        ({"locals": {"a": "\0"}}, ValidationError),
        ({"locals": [1]}, ValidationError),
        ({"locals": {"a": "x" * 300_000}}, PayloadTooLarge | ValidationError),
    ],
)
async def test_junk_is_refused(author: Author, content: dict[str, Any], refusal: type[AppError]) -> None:
    with pytest.raises(AppError) as caught:
        await author.create("t", **content)

    assert isinstance(caught.value, refusal)
    stored = await author.create("whole")
    with pytest.raises(AppError):
        await update_template(author.context, author.member, stored.id, TemplateChanges(**content))


async def test_an_identifier_is_taken_once(author: Author, foreigner: Author) -> None:
    await author.create("t")
    other = await author.create("u")

    with pytest.raises(ResourceExists):
        await author.create("t")
    with pytest.raises(ResourceExists):
        await update_template(author.context, author.member, other.id, TemplateChanges(identifier="t"))
    assert (await foreigner.create("t")).identifier == "t"


async def test_every_version_stays(author: Author) -> None:
    stored = await author.create("t", text_body="1", locals={"a": 1})
    for change in (
        TemplateChanges(text_body="2"),
        TemplateChanges(text_body="2"),
        TemplateChanges(subject="s", locals=None),
        TemplateChanges(text_body=None),
    ):
        await update_template(author.context, author.member, stored.id, change)

    versions = await list_template_versions(author.context, author.member, stored.id)

    assert [(one.version, one.content.text_body, one.content.subject) for one in versions] == [
        (4, None, "s"),
        (3, "2", "s"),
        (2, "2", None),
        (1, "1", None),
    ]
    assert [one.content.locals for one in versions] == [{}, {}, {"a": 1}, {"a": 1}]


async def test_versions_cannot_be_changed_by_the_tenants_role(author: Author, runtime: Runtime) -> None:
    await author.create("t", text_body="1")

    for statement in ("update template_versions set text_body = 'x'", "delete from template_versions"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with runtime.database.tenant(author.tenant.organisation_id) as connection:
                await connection.execute(statement)


async def test_what_belongs_to_others_is_missing(author: Author, foreigner: Author) -> None:
    stored = await author.create("t")
    new = NewTemplate(application_id=author.tenant.application_id, identifier="u")

    with pytest.raises(NotFound):
        await update_template(foreigner.context, foreigner.member, stored.id, TemplateChanges(name="x"))
    with pytest.raises(NotFound):
        await archive_template(foreigner.context, foreigner.member, stored.id)
    with pytest.raises(NotFound):
        await create_template(foreigner.context, foreigner.member, new)
    with pytest.raises(NotFound):
        await set_locals(foreigner.context, foreigner.member, author.tenant.application_id, {})
    assert await list_template_versions(foreigner.context, foreigner.member, stored.id) == []


async def test_a_viewer_changes_nothing(author: Author) -> None:
    stored = await author.create("t")
    viewer = replace(author, member=replace(author.member, role=Role.VIEWER))

    with pytest.raises(Forbidden):
        await viewer.create("u")
    with pytest.raises(Forbidden):
        await update_template(viewer.context, viewer.member, stored.id, TemplateChanges(name="x"))
    with pytest.raises(Forbidden):
        await archive_template(viewer.context, viewer.member, stored.id)
    with pytest.raises(Forbidden):
        await set_locals(viewer.context, viewer.member, None, {})
    assert len(await list_templates(viewer.context, viewer.member)) == 1


async def test_changes_at_the_same_time_are_all_versions(author: Author) -> None:
    stored = await author.create("t", text_body="0")
    changes = [TemplateChanges(text_body=str(number)) for number in range(1, 6)]
    await asyncio.gather(
        *(update_template(author.context, author.member, stored.id, change) for change in changes)
    )

    versions = await list_template_versions(author.context, author.member, stored.id)

    assert [one.version for one in versions] == [6, 5, 4, 3, 2, 1]
    assert {one.content.text_body for one in versions} == {"0", "1", "2", "3", "4", "5"}


def test_contents_are_compared_by_value() -> None:
    assert TemplateContent(text_body="a", locals={"a": 1}) == TemplateContent(text_body="a", locals={"a": 1})
