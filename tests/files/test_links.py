"""Links: whoever holds one gets the file for seven days, and nothing else of anybody."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.ids import IdClock
from outrider.files.links import LINK_SECONDS, BadLink, FileLinks, LinkTarget
from outrider.files.storing import store_file
from outrider.surfaces.files.endpoint import disposition
from tests.clients import Client, Server

APPLICATION, FILE = uuid4(), uuid4()
HTML = b"<script>alert(1)</script>"


@dataclass
class Clock:
    """A clock that a test sets."""

    now: int = 1_800_000_000

    def now_ms(self) -> int:
        return self.now * 1000


def _links(clock: object = None, *keys: bytes) -> FileLinks:
    return FileLinks("https://outrider.test", keys or (b"k" * 32,), clock or Clock())  # type: ignore[arg-type]


def _read(links: FileLinks, url: str) -> LinkTarget | BadLink:
    parts = urlsplit(url)
    return links.read(parts.path.rpartition("/")[2], parts.query)


def test_a_link_leads_to_its_file_for_seven_days() -> None:
    clock = Clock()
    links = _links(clock)
    url = links.url(APPLICATION, FILE)

    assert url.startswith(f"https://outrider.test/files/{FILE}?")
    assert _read(links, url) == LinkTarget(APPLICATION, FILE)
    clock.now += LINK_SECONDS - 61
    assert _read(links, url) == LinkTarget(APPLICATION, FILE)
    clock.now += 62
    assert _read(links, url) is BadLink.EXPIRED


def test_no_part_of_a_link_can_be_changed() -> None:
    links = _links()
    url = links.url(APPLICATION, FILE)
    given_parts = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    later = str(int(given_parts["expires"]) + 1)
    signature = given_parts["signature"]
    forged = [
        url.replace(str(FILE), str(uuid4())),
        url.replace(str(APPLICATION), str(uuid4())),
        url.replace(given_parts["expires"], later),
        url.replace(signature, signature[::-1]),
        url.replace(signature, ""),
        url.replace(f"&signature={signature}", ""),
        url.replace(f"expires={given_parts['expires']}", "expires=-1"),
        url.replace(f"expires={given_parts['expires']}", f"expires=0{given_parts['expires']}0000"),
        url + "&application=" + str(uuid4()),
        url.split("?")[0],
    ]

    assert {_read(links, one) for one in forged} == {BadLink.FORGED}


def test_a_link_of_an_expired_kind_that_was_forged_is_forged() -> None:
    links = _links()
    url = links.url(APPLICATION, FILE)
    expires = parse_qs(urlsplit(url).query)["expires"][0]

    assert _read(links, url.replace(expires, "1")) is BadLink.FORGED


def test_an_earlier_key_still_counts_and_a_strange_one_never() -> None:
    old, new = b"o" * 32, b"n" * 32
    url = _links(None, old).url(APPLICATION, FILE)

    assert _read(_links(None, new, old), url) == LinkTarget(APPLICATION, FILE)
    assert _read(_links(None, new), url) is BadLink.FORGED


@given(st.text(max_size=60), st.text(max_size=400))
def test_reading_any_link_at_all_never_raises(file_id: str, query: str) -> None:
    assert _read_any(file_id, query) in {BadLink.FORGED, BadLink.EXPIRED}


def _read_any(file_id: str, query: str) -> object:
    return _links(IdClock()).read(file_id, query)


@pytest.mark.parametrize(
    ("filename", "mime_type", "expected"),
    [
        ("a b.png", "image/png", 'inline; filename="a b.png"'),
        ("a.svg", "image/svg+xml", 'attachment; filename="a.svg"'),
        ("a.html", "text/html", 'attachment; filename="a.html"'),
        (
            "Grüße.pdf",
            "application/pdf",
            "inline; filename=\"Gr__e.pdf\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf",
        ),
        ('x";y=%.bin', "a/b", "attachment; filename=\"x_;y=_.bin\"; filename*=UTF-8''x%22%3By%3D%25.bin"),
    ],
)
def test_a_name_cannot_break_out_of_its_header(filename: str, mime_type: str, expected: str) -> None:
    assert disposition(filename, mime_type) == expected


# Through the server.


async def _stored(client: Client, content: bytes, filename: str) -> UUID:
    stored = await store_file(client.server.runtime.files, client.tenant.actor, content, filename=filename)
    return stored.id


def _path(server: Server, client: Client, file_id: UUID) -> str:
    url = server.runtime.file_links.url(client.tenant.application_id, file_id)
    return url.removeprefix(server.runtime.settings.public_url)


async def test_a_file_is_served_whole_and_safely(server: Server, client: Client) -> None:
    content = bytes(range(256)) * 4_000
    path = _path(server, client, await _stored(client, content, "Grüße.bin"))

    got = await client.request(
        b"", method="GET", path=path, headers={"authorization": "", "content-type": ""}
    )
    asked = await client.request(b"", method="HEAD", path=path, headers={"authorization": ""})

    assert (got.status, got.body) == (200, content)
    assert got.headers["content-length"] == asked.headers["content-length"] == str(len(content))
    assert (asked.status, asked.body) == (200, b"")
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "private" in got.headers["cache-control"]


async def test_a_page_of_a_stranger_is_never_run(server: Server, client: Client) -> None:
    path = _path(server, client, await _stored(client, HTML, "a.html"))

    got = await client.request(b"", method="GET", path=path)

    assert got.headers["content-security-policy"].startswith("sandbox")
    assert got.headers["content-disposition"] == 'attachment; filename="a.html"'


async def test_what_is_missing_foreign_or_forged_answers_alike(
    server: Server, client: Client, stranger: Client
) -> None:
    file_id = await _stored(client, b"mine", "a.txt")
    good = _path(server, client, file_id)
    others = [
        _path(server, stranger, file_id),
        _path(server, client, uuid4()),
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        f"/files/{file_id}",
        "/files/",
        "/files/..%2f..%2fetc%2fpasswd",
        f"/files/{file_id}/more?{good.partition('?')[2]}",
    ]

    answers = [await client.request(b"", method="GET", path=path) for path in others]

    assert {(one.status, one.body) for one in answers} == {(404, answers[0].body)}
    assert (await client.request(b"", method="GET", path=good)).body == b"mine"


async def test_a_link_whose_time_is_over_is_gone(server: Server, client: Client) -> None:
    links = server.runtime.file_links
    past = FileLinks(links.public_url, links.keys, Clock(now=1_600_000_000))  # type: ignore[arg-type]
    url = past.url(client.tenant.application_id, await _stored(client, b"old", "a.txt"))

    got = await client.request(b"", method="GET", path=url.removeprefix(links.public_url))

    assert got.status == 410


async def test_a_file_is_only_read(server: Server, client: Client) -> None:
    path = _path(server, client, await _stored(client, b"x", "a.txt"))

    got = await client.request(b"", method="DELETE", path=path)

    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")


async def test_a_content_that_is_gone_is_not_found(server: Server, client: Client) -> None:
    content = b"about to vanish"
    stored = await store_file(server.runtime.files, client.tenant.actor, content, filename="a.txt")
    assert stored.sha256 is not None
    server.runtime.files.storage.path_of(stored.sha256).unlink()

    got = await client.request(b"", method="GET", path=_path(server, client, stored.id))

    assert got.status == 404
