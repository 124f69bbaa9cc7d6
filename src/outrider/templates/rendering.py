"""Rendering: a message's parts, from its own templates and the stored one, with the locals of all levels.

The work is done in threads of its own, within limits on steps, time, depth and size, and touches neither the
network nor the database: which partials it needs is found by the first attempt, if they are not named in a
template.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson

from outrider.core.errors import NotFound, ValidationError
from outrider.core.html_text import text_of_html
from outrider.templates.directory import CompiledTemplates, TemplateDirectory
from outrider.templates.errors import RenderError
from outrider.templates.handlebars.problems import TemplateProblem
from outrider.templates.handlebars.programs import Compiled
from outrider.templates.handlebars.running import Limits
from outrider.templates.inlining import NotInlined, inline_styles
from outrider.templates.values import (
    InApplication,
    JsonObject,
    Part,
    PinnedVersion,
    Rendering,
    RenderRequest,
    Template,
    TemplateContent,
)
from outrider.tenancy.context import TenancyContext

MOST_LOCALS: Final = 1_000_000
"""How many bytes locals may have as JSON: those of a message, and those of all levels together."""
MOST_STYLES: Final = 256_000
_MOST_LOADS: Final = 10
"""How often names of dynamic partials may turn up that have not been looked up yet."""
_MOST_PARTIALS: Final = 200
_THREADS: Final = 2
_NAMED: Final = re.compile(
    r"""\{\{~?#?>\s*(?:\[([^\]]{1,100})\]|["']([^"']{1,100})["']|([^\s(){}"'\[\]~]{1,100}))"""
)
_BREAKS: Final = re.compile(r"\s*[\x00-\x1f\x7f\x85\u2028\u2029]+\s*")


@dataclass(frozen=True, slots=True)
class TemplatesContext:
    """What operations on templates need of the process."""

    tenancy: TenancyContext
    directory: TemplateDirectory
    compiled: CompiledTemplates = field(default_factory=CompiledTemplates)
    limits: Limits = Limits()
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="rendering")
    )

    def close(self) -> None:
        """Let the threads go, when what is under way is done."""
        self.threads.shutdown(wait=False, cancel_futures=True)


async def render(context: TemplatesContext, actor: InApplication, request: RenderRequest) -> Rendering:
    """Render a message; raises `RenderError`, or `NotFound` for a template that the application has not."""
    template = await _stored(context, actor.application_id, request)
    return await render_with(context, actor, request, template)


async def render_with(
    context: TemplatesContext, actor: InApplication, request: RenderRequest, template: Template | None
) -> Rendering:
    """Render a message with this template, wherever it comes from."""
    _check_size(request.locals)
    shared = await context.directory.shared_locals(actor.organisation_id, actor.application_id)
    own = template.content.locals if template is not None else {}
    merged = {**shared.of_organisation, **shared.of_application, **own, **request.locals}
    work = _Work(context, request, template, merged)
    await work.load(context.directory, actor.application_id, work.named_partials())
    for _ in range(_MOST_LOADS):
        try:
            return await asyncio.get_running_loop().run_in_executor(context.threads, work.rendered)
        except _PartialsWanted as wanted:
            await work.load(context.directory, actor.application_id, wanted.names)
    raise RenderError(f"Dynamic partials name others more than {_MOST_LOADS} times.", part="partials")


async def _stored(context: TemplatesContext, application_id: UUID, request: RenderRequest) -> Template | None:
    """Find the stored template that a message asks for, in the version that it asks for."""
    name = request.template_id if request.template_id is not None else request.template
    if name is None:
        if request.version is not None:
            raise ValidationError("A version is one of a stored template.", path="version")
        return None
    found = await context.directory.get(application_id, name)
    if found is not None and request.version is not None:
        found = await context.directory.version(application_id, found.id, request.version)
    if found is None:
        raise NotFound("Template not found.", resource_type="Template", resource_id=str(name)[:100])
    if request.template is not None and request.template != found.identifier:
        raise ValidationError("The template's id and identifier name different templates.", path="template")
    return found


class _PartialsWanted(Exception):
    """Partials that have not been looked up yet."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names


class _Work:
    """One message to render; `partials` holds None for names that no template has."""

    def __init__(
        self,
        context: TemplatesContext,
        request: RenderRequest,
        template: Template | None,
        merged: dict[str, object],
    ) -> None:
        self._context = context
        self._request = request
        self._template = template
        self._locals = merged
        self._partials: dict[str, Template | None] = {}
        content = template.content if template is not None else TemplateContent()
        self._is_strict = content.is_strict if request.strict is None else request.strict
        self._sender = _first(request.sender, content.sender)
        self._subject = _first(request.subject, content.subject)
        self._text = _first(request.text_template, content.text_body)
        self._html = _first(request.html_template, content.html_body)
        is_own = request.html_template is not None
        self._styles = _first(request.styles, None if is_own else content.styles)

    def named_partials(self) -> set[str]:
        """The names that stand in what is to be rendered, before anything was compiled."""
        texts = (self._sender, self._subject, self._text, self._html)
        return {name for text in texts for name in _names_in(text)}

    async def load(self, directory: TemplateDirectory, application_id: UUID, names: set[str]) -> None:
        """Look partials up, and the ones that they name."""
        wanted = names - self._partials.keys()
        while wanted:
            if len(self._partials) + len(wanted) > _MOST_PARTIALS:
                raise RenderError(f"A message takes at most {_MOST_PARTIALS} partials.", part="partials")
            for name in wanted:
                self._partials[name] = await directory.get(application_id, name)
            found = [one.content for name in wanted if (one := self._partials[name]) is not None]
            named = {
                name for one in found for text in (one.text_body, one.html_body) for name in _names_in(text)
            }
            wanted = named - self._partials.keys()

    def rendered(self) -> Rendering:
        """Render all parts; raises `_PartialsWanted` if more partials must be looked up."""
        request, template = self._request, self._template
        html, text = request.html_body, request.text_body
        if html is None and self._html is not None:
            html = self._part(Part.HTML, self._html)
        if text is None and self._text is not None:
            text = self._part(Part.TEXT, self._text)
        is_derived = text is None and html is not None
        if text is None and html is not None:
            text = text_of_html(html)
        if request.html_body is None and html is not None:
            html = _inlined(html, self._styles)
        return Rendering(
            sender=self._line(Part.SENDER, self._sender),
            subject=self._line(Part.SUBJECT, self._subject),
            text=text,
            html=html,
            template=PinnedVersion(template.id, template.identifier, template.version) if template else None,
            is_text_derived=is_derived,
        )

    def _line(self, part: Part, text: str | None) -> str | None:
        """Render what becomes a header: one line, whatever the locals hold."""
        if text is None:
            return None
        line = self._part(part, text) if self._request.is_rendered else text
        return _BREAKS.sub(" ", line).strip()

    def _part(self, part: Part, text: str) -> str:
        try:
            compiled = self._compiled(part, text, None)
            return compiled.render(self._locals, lambda name: self._partial(part, name), self._context.limits)
        except TemplateProblem as problem:
            raise RenderError(
                problem.message,
                part=part,
                template=problem.template or (self._template.identifier if self._is_stored(part) else None),
                line=problem.line,
                column=problem.column,
            ) from None
        except RecursionError:
            raise RenderError("The template or the locals are nested too deeply.", part=part) from None

    def _is_stored(self, part: Part) -> bool:
        """Whether a part comes from the stored template."""
        request = self._request
        own = {
            Part.SENDER: request.sender,
            Part.SUBJECT: request.subject,
            Part.TEXT: request.text_template,
            Part.HTML: request.html_template,
        }
        return self._template is not None and own.get(part) is None

    def _partial(self, part: Part, name: str) -> Compiled | None:
        """Give a template of the application as a partial: its HTML body in HTML, else its text body."""
        if name not in self._partials:
            raise _PartialsWanted({name})
        found = self._partials[name]
        if found is None:
            return None
        content = found.content
        text = content.html_body if part is Part.HTML and content.html_body is not None else content.text_body
        return None if text is None else self._compiled(part, text, name)

    def _compiled(self, part: Part, text: str, name: str | None) -> Compiled:
        return self._context.compiled.get(
            text, name=name, is_escaped=part is Part.HTML, is_strict=self._is_strict
        )


def _names_in(text: str | None) -> set[str]:
    """The partials that a template names, found without reading it: one too many does no harm."""
    found: set[str] = set()
    for one in _NAMED.finditer(text or ""):
        found.add(one.group(1) or one.group(2) or one.group(3))
    return found


def _first(one: str | None, other: str | None) -> str | None:
    return one if one is not None else other


def _inlined(html: str, styles: str | None) -> str:
    if styles is not None and len(styles) > MOST_STYLES:
        raise RenderError(f"Styles have at most {MOST_STYLES:,} characters.", part=Part.STYLES)
    try:
        return inline_styles(html, styles)
    except NotInlined as problem:
        raise RenderError(str(problem), part=Part.STYLES) from None


def _check_size(given: JsonObject) -> None:
    try:
        size = len(orjson.dumps(given))
    except (orjson.JSONEncodeError, RecursionError):
        raise RenderError("The locals are no JSON, or nested too deeply.", part="locals") from None
    if size > MOST_LOCALS:
        message = f"Locals have at most {MOST_LOCALS:,} bytes as JSON; these have {size:,}."
        raise RenderError(message, part="locals")
