"""The pages for people: what the API is, and what each problem means; they load nothing."""

import re

from outrider.surfaces.outbound_rest.problems import PROBLEMS
from outrider.surfaces.outbound_rest.routes import ROUTES
from tests.clients import Answered
from tests.surfaces.outbound_rest.shelf import Reads


async def _page(reads: Reads, path: str, method: str = "GET") -> Answered:
    return await reads.client.request(b"", method=method, path=path, headers={"authorization": ""})


async def test_every_problem_leads_to_a_page_about_it(reads: Reads) -> None:
    for problem in PROBLEMS:
        answered = await _page(reads, f"/errors/{problem.slug}")
        page = answered.body.decode()
        assert answered.status == 200
        assert answered.headers["content-type"] == "text/html; charset=utf-8"
        assert problem.title in page
        assert str(problem.status) in page


async def test_an_unknown_problem_has_no_page(reads: Reads) -> None:
    for path in ("/errors/nothing", "/errors/", "/errors/..%2f..", "/errors/not-found/"):
        assert (await _page(reads, path)).status == 404


async def test_the_page_of_the_api_names_every_endpoint_and_problem(reads: Reads) -> None:
    answered = await _page(reads, "/api-docs")
    page = answered.body.decode()

    assert answered.status == 200
    for route in ROUTES:
        assert f"GET /api/v1{route.path}" in page
    for problem in PROBLEMS:
        assert f'href="/errors/{problem.slug}"' in page


async def test_pages_load_nothing_and_run_nothing(reads: Reads) -> None:
    for path in ("/api-docs", "/errors/not-found"):
        answered = await _page(reads, path)
        assert not re.search(rb"<script|<link|<img|src=|@import|url\(", answered.body)
        assert "default-src 'none'" in answered.headers["content-security-policy"]


async def test_pages_are_only_read(reads: Reads) -> None:
    for path in ("/api-docs", "/api-docs/openapi.json", "/errors/not-found"):
        answered = await _page(reads, path, "POST")
        assert answered.status == 405
        assert answered.headers["allow"] == "GET, HEAD"
        head = await _page(reads, path, "HEAD")
        assert (head.status, head.body) == (200, b"")
