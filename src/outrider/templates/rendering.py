"""Rendering: a message's parts, from its own templates and the stored one, with the locals of all levels."""

from outrider.templates.errors import RenderError as RenderError
from outrider.templates.values import InApplication, Rendering, RenderRequest


class TemplatesContext:
    """What operations on templates need of the process; `Runtime.templates` is one."""


async def render(context: TemplatesContext, actor: InApplication, request: RenderRequest) -> Rendering:
    """Render a message; raises `RenderError`, or `NotFound` for a template that the application has not."""
    raise NotImplementedError
