"""Mails rendered a second by one process: 10 KB of HTML with styles moved into its elements, subject and text part.

The limit is the library that moves the styles, given the finished document: what is above it is ours.
"""

import os
import statistics
import time
from uuid import uuid4

from bench import mail
from bench.results import Row
from bench.runs import Run
from outrider.core.database.pools import open_database
from outrider.core.ids import IdClock
from outrider.core.sealing import Sealer
from outrider.platforms.registry import Registry
from outrider.templates.directory import TemplateDirectory
from outrider.templates.inlining import inline_styles
from outrider.templates.rendering import TemplatesContext, render
from outrider.templates.values import RenderRequest
from outrider.tenancy.actors import Actor, Environment
from outrider.tenancy.context import TenancyContext

NAMES = ("render_mail",)
_LIMIT = "css-inline alone, given the finished document"


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """Product and limit by turns."""
    del wanted
    database = await open_database(run.database.dsn)
    tenancy = TenancyContext(
        database=database,
        sealer=Sealer(os.urandom(32)),
        registry=Registry.of([]),
        ids=IdClock(),
        public_url="https://bench.test",
    )
    context = TemplatesContext(tenancy, TemplateDirectory(database))
    actor = Actor(uuid4(), uuid4(), uuid4(), frozenset(), Environment.LIVE)
    request = RenderRequest(
        subject=mail.SUBJECT, html_template=mail.HTML, styles=mail.STYLES, locals=mail.data()
    )
    rendered = await render(context, actor, request)
    assert rendered.html is not None
    plain = await render(context, actor, RenderRequest(html_template=mail.HTML, locals=mail.data()))
    assert plain.html is not None
    product: list[float] = []
    limits: list[float] = []
    for _ in range(run.rounds):
        limits.append(_inlined(plain.html, run.seconds / 2))
        product.append(await _rendered(context, actor, request, run.seconds))
    run.facts["render_mail: bytes of HTML"] = len(rendered.html.encode())
    context.close()
    await database.close()
    return [Row("render_mail", statistics.median(product), "mails/s", statistics.median(limits), _LIMIT)]


async def _rendered(context: TemplatesContext, actor: Actor, request: RenderRequest, seconds: float) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        await render(context, actor, request)
        count += 1
    return count / (time.perf_counter() - began)


def _inlined(html: str, seconds: float) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        inline_styles(html, mail.STYLES)
        count += 1
    return count / (time.perf_counter() - began)
