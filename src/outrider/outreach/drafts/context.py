"""What drafts need of the process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outrider.messaging.sending import SendingContext
from outrider.templates.values import InApplication, Rendering, RenderRequest
from outrider.tenancy.backends import BackendDirectory
from outrider.tenancy.context import TenancyContext

Render = Callable[[InApplication, RenderRequest], Awaitable[Rendering]]
"""Renders with the locals of all levels; raises `RenderError`."""


@dataclass(frozen=True, slots=True)
class DraftsContext:
    """Settings, the way out, and what renders."""

    tenancy: TenancyContext
    sending: SendingContext
    backends: BackendDirectory
    render: Render
