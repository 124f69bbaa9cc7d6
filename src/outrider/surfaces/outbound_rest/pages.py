"""Pages for people: what the read API is (`/api-docs`), and what each problem means (`/errors/<slug>`).

They are made when they are first asked for, from the same tables as the OpenAPI document; they load nothing, and run
nothing.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from typing import Any, Final

from outrider.core.asgi import Receive, Scope, Send, request_id_of, respond
from outrider.core.metrics import Metrics
from outrider.surfaces.outbound_rest.openapi import DOCUMENT_PATH, PAGE_PATH, document, served_openapi
from outrider.surfaces.outbound_rest.problems import PROBLEMS, Problem
from outrider.surfaces.outbound_rest.routes import BASE, ROUTES

ERRORS_PATH: Final = "/errors/"
_READING: Final = ("GET", "HEAD")
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; } h3 { margin-top: 2rem; }
h3 code { font-size: 1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; background: #f2f4f6; border-radius: 4px; }
code { padding: .1rem .3rem; } pre { padding: .8rem 1rem; overflow-x: auto; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #d5dae0; padding: .3rem .8rem .3rem 0;
text-align: left; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { background: #15181c; color: #dfe3e8; } code, pre { background: #22272e; }
td, th { border-color: #3a424c; } a { color: #79b8ff; } }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = (
    (
        b"content-security-policy",
        (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ).encode(),
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_HTML: Final = b"text/html; charset=utf-8"
_PAGES: Final = (
    'Lists answer `{"data": […], "nextCursor": …}`. Pass `nextCursor` back as `?cursor=`; '
    "it is null on the last page."
)
_LIMITS: Final = (
    "Each key has a bucket of 120 requests that fills by one a second, and passes at most 120 times in any 30 "
    "seconds. Answers to it have `X-RateLimit-Limit` and `X-RateLimit-Reset`; a 429 has `Retry-After` in seconds."
)
_REFERENCE: Final = f'<p><a href="{PAGE_PATH}">Reference of the API</a></p>'
_TICKS: Final = re.compile(r"`([^`]+)`")


class ReadPages:
    """The pages of one process."""

    def __init__(self, public_url: str, metrics: Metrics) -> None:
        self._public_url = public_url
        self._metrics = metrics

    @cached_property
    def _pages(self) -> Mapping[str, bytes]:
        problems = {f"{ERRORS_PATH}{problem.slug}": _problem_page(problem) for problem in PROBLEMS}
        return {PAGE_PATH: _api_page(self._public_url), **problems}

    @cached_property
    def _document(self) -> bytes:
        return served_openapi(self._public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, status, content_type = scope["path"], 200, _HTML
        body = self._pages.get(path)
        headers: Sequence[tuple[bytes, bytes]] = _HEADERS
        if path == DOCUMENT_PATH:
            body, content_type = self._document, b"application/json"
        if body is None:
            status, body = 404, _missing_page()
        elif scope["method"] not in _READING:
            status, body = 405, _page("Method not allowed", "<p>This page can only be read.</p>")
            headers, content_type = (*_HEADERS, (b"allow", ", ".join(_READING).encode())), _HTML
        self._metrics.http_requests_total.add("read_pages", str(status))
        headers = (*headers, (b"x-request-id", request_id_of(scope)))
        await respond(send, status, body, content_type=content_type, headers=headers)


def _page(title: str, content: str) -> bytes:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>\n{content}\n</body></html>\n"
    ).encode()


def _missing_page() -> bytes:
    return _page("Not found", f"<p>There is no such page.</p>\n{_REFERENCE}")


def _problem_page(problem: Problem) -> bytes:
    return _page(
        problem.title,
        f"<p>Status {problem.status}, <code>{problem.slug}</code>.</p>\n"
        f"<p>What it means: {_prose(problem.means)}.</p>\n<p>What to do: {_prose(problem.advice)}.</p>\n{_REFERENCE}",
    )


def _api_page(public_url: str) -> bytes:
    described = document(public_url)
    parts = [
        f"<p>{_prose(described['info']['description'])}</p>",
        f'<p>For programs: <a href="{DOCUMENT_PATH}">OpenAPI 3.1</a>.</p>',
        f"<pre>curl -H 'Authorization: Bearer obk_live_…' '{escape(public_url)}{BASE}/contacts?limit=2'</pre>",
        f"<h2>Pages</h2><p>{_prose(_PAGES)}</p>",
        f"<h2>Limits</h2><p>{_prose(_LIMITS)}</p>",
        "<h2>Endpoints</h2>",
        *(_endpoint(route.path, described["paths"][route.path]["get"]) for route in ROUTES),
        "<h2>Problems</h2>",
        _table(
            ("Status", "Type", "Means"),
            (
                (str(one.status), f'<a href="{ERRORS_PATH}{one.slug}">{one.slug}</a>', _prose(one.means))
                for one in PROBLEMS
            ),
        ),
        "<h2>Shapes</h2>",
        *(_shape(name, schema) for name, schema in described["components"]["schemas"].items()),
    ]
    return _page(described["info"]["title"], "\n".join(parts))


def _endpoint(path: str, operation: dict[str, Any]) -> str:
    rows = [
        (f"<code>{one['name']}</code>", escape(one["in"]), _prose(one["description"]))
        for one in operation["parameters"]
    ]
    table = _table(("Parameter", "In", "Means"), rows) if rows else ""
    return f"<h3><code>GET {BASE}{escape(path)}</code></h3><p>{_prose(operation['description'])}</p>{table}"


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = ((f"<code>{field}</code>", escape(_kind(one))) for field, one in schema["properties"].items())
    return f"<h3>{name}</h3>{_table(('Property', 'Type'), rows)}"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    given = schema.get("type", "any JSON")
    if given == "array":
        return f"array of {_kind(schema['items'])}"
    kind = given if isinstance(given, str) else " or ".join(given)
    return f"{kind}, {schema['format']}" if "format" in schema else kind


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{body}</table>"


def _prose(text: str) -> str:
    return _TICKS.sub(r"<code>\1</code>", escape(text))
