"""What rendering takes and gives, and what templates are to those who keep them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

JsonObject = Mapping[str, object]
"""Parsed JSON: an object of plain values, lists and objects."""


class Part(StrEnum):
    """The pieces of a message that are rendered, each from a template of its own."""

    SENDER = "from"
    SUBJECT = "subject"
    TEXT = "text"
    HTML = "html"
    STYLES = "styles"


class InApplication(Protocol):
    """Whoever renders, in one application; that they may is the caller's to know."""

    @property
    def organisation_id(self) -> UUID:
        """Whose locals and templates."""
        ...

    @property
    def application_id(self) -> UUID:
        """In which application."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What a message brings along. Each part is the ready body, else the inline template, else the stored one.

    `template` and `template_id` name a stored template, by its identifier or by its id; both must agree.
    `version` asks for an earlier version of it, else the one in use is taken. `sender` and `subject` are
    templates too, unless nothing is rendered: ready bodies without any template leave them as they are.
    """

    template: str | None = None
    template_id: UUID | None = None
    version: int | None = None
    sender: str | None = None
    subject: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    text_template: str | None = None
    html_template: str | None = None
    styles: str | None = None
    locals: JsonObject = field(default_factory=dict[str, object])
    strict: bool | None = None
    """Whether a missing local is an error; None leaves it to the stored template, else it is none."""

    @property
    def is_rendered(self) -> bool:
        """Whether there is anything to render at all."""
        named = (self.template, self.template_id, self.text_template, self.html_template)
        return any(one is not None for one in named)


@dataclass(frozen=True, slots=True)
class PinnedVersion:
    """The stored version that a message was rendered with; it never changes."""

    template_id: UUID
    identifier: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """A rendered message. What was neither given nor has a template is None."""

    sender: str | None
    subject: str | None
    text: str | None
    html: str | None
    template: PinnedVersion | None
    is_text_derived: bool = False
    """The text part was made of the HTML part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateContent:
    """What a version of a template consists of; it is what is rendered, and never changes."""

    sender: str | None = None
    subject: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    styles: str | None = None
    locals: JsonObject = field(default_factory=dict[str, object])
    is_strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A stored template in one version."""

    id: UUID
    application_id: UUID
    identifier: str
    name: str
    version: int
    content: TemplateContent
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
