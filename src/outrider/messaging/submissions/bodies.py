"""What a submitted message says in the end, checked against what its provider takes."""

import asyncio
from dataclasses import dataclass
from typing import Final

from outrider.core.errors import ValidationError
from outrider.core.html_text import text_of_html
from outrider.core.storable import storable_text
from outrider.messaging.submissions.addressing import mailbox_of, refuse_controls
from outrider.platforms.base import Capability, Channel, Manifest
from outrider.templates.values import Rendering

_LONG: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Bodies:
    """The parts of a message, ready to go out."""

    text: str
    html: str | None
    sender: str | None
    subject: str | None


async def checked_bodies(channel: Channel, rendering: Rendering, manifest: Manifest | None) -> Bodies:
    """Check what was rendered or given ready; without a manifest nobody has to send it."""
    is_mail = channel is Channel.EMAIL
    if rendering.html and not is_mail:
        raise ValidationError(f"{channel.value} has no HTML; give a text.", path="html_body")
    if not rendering.text and not rendering.html:
        raise ValidationError(
            "There is nothing to send: give text_body, html_body or a template.", path="text_body"
        )
    for name, body in (("text_body", rendering.text), ("html_body", rendering.html)):
        storable_text(body or "", name=name)
    text = rendering.text or await _derived(rendering.html or "")
    if manifest is not None:
        _check_manifest(text, rendering.html, manifest)
    sender = None if rendering.sender is None else refuse_controls(rendering.sender, "from")
    if is_mail and sender and mailbox_of(sender) is None:
        raise ValidationError(f"from is not a mail address: {sender[:100]!r}.", path="from")
    subject = refuse_controls(rendering.subject or "", "subject") or None
    return Bodies(text, rendering.html or None, sender or None, subject if is_mail else None)


def _check_manifest(text: str, html: str | None, manifest: Manifest) -> None:
    if html is not None and Capability.SEND_HTML not in manifest.capabilities:
        raise ValidationError(f"{manifest.label} cannot send HTML.", path="html_body")
    if manifest.text_limit is not None and len(text) > manifest.text_limit:
        raise ValidationError(
            f"The text has {len(text)} characters; {manifest.label} takes at most {manifest.text_limit}.",
            path="text_body",
        )


async def _derived(html: str) -> str:
    """The text of a mail that is only HTML; a mail without any letter still has to have one."""
    text = await asyncio.to_thread(text_of_html, html) if len(html) > _LONG else text_of_html(html)
    return text if text.strip() else "(HTML)"
