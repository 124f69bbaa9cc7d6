"""What a template may be stored as: every part readable, so that a message finds no mistakes but missing things."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final, cast

import orjson

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_json
from outrider.templates.errors import RenderError
from outrider.templates.handlebars.compiling import compile_template
from outrider.templates.handlebars.problems import TemplateProblem
from outrider.templates.inlining import NotInlined, inline_styles
from outrider.templates.rendering import MOST_STYLES
from outrider.templates.values import JsonObject, Part, TemplateContent

MOST_STORED_LOCALS: Final = 256_000
"""How many bytes the locals of a template, an application or an organisation may have as JSON."""
LONGEST_LINE: Final = 2_000
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9/._-]{0,98}[A-Za-z0-9])?")


def checked_template_identifier(text: str) -> str:
    """Give a template's identifier as it is, or refuse it: `{{> identifier}}` must be able to name it."""
    if not _IDENTIFIER.fullmatch(text):
        raise ValidationError(
            "identifier must have 1 to 100 letters, digits and any of / . _ - (these not at an end).",
            path="identifier",
        )
    return text


def checked_locals(value: object, path: str = "locals") -> JsonObject:
    """Give locals as they are, or refuse them."""
    if not isinstance(value, Mapping):
        raise ValidationError(f"{path} must be an object.", path=path)
    text = storable_json(cast("Mapping[str, object]", value), name=path, limit=MOST_STORED_LOCALS)
    return cast("JsonObject", orjson.loads(text))


async def check_content(content: TemplateContent) -> None:
    """Refuse what cannot be read: `RenderError` says where."""
    for part, text in ((Part.SENDER, content.sender), (Part.SUBJECT, content.subject)):
        if text is not None and len(text) > LONGEST_LINE:
            raise ValidationError(f"{part.value} has at most {LONGEST_LINE:,} characters.", path=part.value)
    await asyncio.to_thread(_read_all, content)


def _read_all(content: TemplateContent) -> None:
    parts = {
        Part.SENDER: content.sender,
        Part.SUBJECT: content.subject,
        Part.TEXT: content.text_body,
        Part.HTML: content.html_body,
    }
    for part, text in parts.items():
        if text is not None:
            _read(part, text)
    if content.styles is not None:
        _check_styles(content.styles)


def _read(part: Part, text: str) -> None:
    try:
        compile_template(text)
    except TemplateProblem as problem:
        raise RenderError(
            problem.message, part=part.value, line=problem.line, column=problem.column
        ) from None


def _check_styles(styles: str) -> None:
    if len(styles) > MOST_STYLES:
        raise RenderError(f"Styles have at most {MOST_STYLES:,} characters.", part=Part.STYLES.value)
    try:
        inline_styles("", styles)
    except NotInlined as problem:
        raise RenderError(str(problem), part=Part.STYLES.value) from None
