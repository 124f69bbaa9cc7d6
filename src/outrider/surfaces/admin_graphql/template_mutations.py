"""The mutations of templates, from arguments to operations."""

from outrider.core.errors import ValidationError
from outrider.surfaces.admin_graphql.calling import Arguments, Call
from outrider.templates import managing
from outrider.templates.managing import NewTemplate, TemplateChanges
from outrider.templates.values import TemplateContent

_CONTENT = {
    "from": "sender",
    "subject": "subject",
    "textBody": "text_body",
    "htmlBody": "html_body",
    "styles": "styles",
    "locals": "locals",
    "strict": "is_strict",
}


async def create_template(call: Call, given: Arguments) -> object:
    """`createTemplate`."""
    content = {name: given[key] for key, name in _CONTENT.items() if given.get(key) is not None}
    new = NewTemplate(
        application_id=given["applicationId"],
        identifier=given["identifier"],
        name=given.get("name"),
        content=TemplateContent(**content),
    )
    return await managing.create_template(call.administration.templates, call.member, new)


async def update_template(call: Call, given: Arguments) -> object:
    """`updateTemplate`."""
    if "strict" in given and given["strict"] is None:
        raise ValidationError("strict must not be null.", path="strict")
    content = {name: given[key] for key, name in _CONTENT.items() if key in given}
    changes = TemplateChanges(identifier=given.get("identifier"), name=given.get("name"), **content)
    return await managing.update_template(call.administration.templates, call.member, given["id"], changes)


async def delete_template(call: Call, given: Arguments) -> object:
    """`deleteTemplate`."""
    return await managing.archive_template(call.administration.templates, call.member, given["id"])
