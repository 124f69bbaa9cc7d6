"""What a draft says to its contact: checked as it is written, rendered as it is sent."""

from collections.abc import Mapping
from typing import Final

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text
from outrider.messaging.submissions.addressing import refuse_controls
from outrider.outreach.drafts.context import Render
from outrider.outreach.drafts.values import DraftContent, Recipient
from outrider.templates.checking import checked_locals, checked_template_identifier
from outrider.templates.values import InApplication, Rendering, RenderRequest

LONGEST_BODY: Final = 1_000_000


def checked_draft_content(given: DraftContent) -> DraftContent:
    """Give what a draft says as it is, or refuse it."""
    bodies = [one for one in (given.body_text, given.body_html) if one is not None]
    if (given.template is None) == (not any(one.strip() for one in bodies)) or (given.template and bodies):
        raise ValidationError(
            "Give either a template, or what the draft says: bodyText, bodyHtml or both.", path="bodyText"
        )
    if given.template is None and given.locals is not None:
        raise ValidationError("Only a template takes locals.", path="locals")
    if given.template is None and not (given.subject or "").strip():
        raise ValidationError("A draft without a template needs a subject.", path="subject")
    for name, text in (("bodyText", given.body_text), ("bodyHtml", given.body_html)):
        if text is not None and len(storable_text(text, name=name)) > LONGEST_BODY:
            raise ValidationError(f"{name} has at most {LONGEST_BODY:,} characters.", path=name)
    if given.subject is not None:
        refuse_controls(storable_text(given.subject, name="subject"), "subject")
    return DraftContent(
        subject=given.subject,
        body_text=given.body_text,
        body_html=given.body_html,
        template=None if given.template is None else checked_template_identifier(given.template),
        locals=None if given.locals is None else {**checked_locals(given.locals)},
    )


async def compose(
    render: Render, actor: InApplication, content: DraftContent, recipient: Recipient
) -> Rendering:
    """Say it to one contact; raises `RenderError`, and `NotFound` for a template that is not there (any more)."""
    if content.template is None:
        return Rendering(
            sender=None,
            subject=content.subject,
            text=content.body_text,
            html=content.body_html,
            template=None,
        )
    request = RenderRequest(
        template=content.template,
        subject=content.subject,
        locals={**locals_of(recipient), **(content.locals or {})},
    )
    return await render(actor, request)


def locals_of(recipient: Recipient) -> Mapping[str, object]:
    """What a template knows of the contact; the draft's own locals win over it."""
    return {
        "contact": {"id": str(recipient.contact_id), "name": recipient.name, "email": recipient.email},
        "company": {"name": recipient.company_name, "domain": recipient.company_domain},
        "list": {
            "name": recipient.list_name,
            "goal": recipient.list_goal,
            "connection_point": recipient.list_connection_point,
        },
    }
