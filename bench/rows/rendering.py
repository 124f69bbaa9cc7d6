"""Mails rendered a second by one process: 10 KB of HTML with styles moved into its elements, subject and text part.

The limit is the library that moves the styles, given the finished document: what is above it is ours.
"""

import os
import statistics
import time
from uuid import uuid4

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
_ROWS = 19
_STYLES = """
body { margin: 0; font-family: Arial, sans-serif; color: #222 } table { border-collapse: collapse; width: 100% }
td { padding: 8px 12px; border-bottom: 1px solid #ddd } td.price { text-align: right; white-space: nowrap }
h1 { font-size: 22px; color: #036 } a { color: #06c; text-decoration: none } a:hover { text-decoration: underline }
.total { font-weight: bold !important } .footer p { font-size: 12px; color: #777 }
@media (max-width: 600px) { td { padding: 4px !important } h1 { font-size: 18px !important } }
"""
_HTML = """<!DOCTYPE html><html><head><title>{{subject}}</title></head><body>
<h1>Thank you, {{customer.name}}</h1>
{{#if items}}
<table>
  {{#each items}}
  <tr class="{{#if @first}}first{{/if}}"><td>{{@index}}</td><td><a href="https://shop.example/items/{{id}}">{{name}}</a></td>
    <td>{{quantity}} pieces</td><td class="price">{{price}} {{../currency}}</td></tr>
  {{/each}}
  <tr class="total"><td colspan="3">Total</td><td class="price">{{total}} {{currency}}</td></tr>
</table>
{{else}}
<p>Nothing was ordered.</p>
{{/if}}
<div class="footer"><p>{{shop.name}}, {{shop.address}}</p><p>{{{shop.legal}}}</p></div>
</body></html>"""


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
        subject="Your order {{order}}", html_template=_HTML, styles=_STYLES, locals=_locals()
    )
    rendered = await render(context, actor, request)
    assert rendered.html is not None
    plain = await render(context, actor, RenderRequest(html_template=_HTML, locals=_locals()))
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
        inline_styles(html, _STYLES)
        count += 1
    return count / (time.perf_counter() - began)


def _locals() -> dict[str, object]:
    items = [
        {"id": number, "name": f"Lamp no. {number} & co", "quantity": number, "price": f"{number}.90"}
        for number in range(_ROWS)
    ]
    return {
        "customer": {"name": "Ann <ann@example.com>"},
        "items": items,
        "currency": "EUR",
        "total": "512.00",
        "order": 4711,
        "shop": {"name": "Lighthouse", "address": "Quay 1", "legal": "<b>Lighthouse</b> Ltd."},
    }
