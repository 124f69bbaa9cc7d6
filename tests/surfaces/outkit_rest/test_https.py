"""Plain http is for this machine and for trusted proxies; with a certificate the server answers by https."""

import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from outrider.core.config import ConfigError
from outrider.runtime.running import running_server
from tests.conftest import settings_for

PATH = "/v1/messages"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- what is refused there is the point


async def test_plain_http_is_refused_where_others_reach_the_server(dsn: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, dsn, PORT="0", HOST=EVERYWHERE)
    async with running_server(settings, dsn) as running, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{running.port}{PATH}"
        for more, status, code in (
            ({}, 403, "https_required"),
            ({"x-forwarded-proto": "http"}, 403, "https_required"),
            ({"x-forwarded-proto": "https"}, 401, "unauthorized"),
        ):
            async with session.get(url, headers={"outkit-access-key": "x", **more}) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)


async def test_a_proxy_that_is_not_trusted_is_not_believed(dsn: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, dsn, PORT="0", HOST=EVERYWHERE, TRUSTED_PROXIES="10.0.0.0/8")
    async with running_server(settings, dsn) as running, aiohttp.ClientSession() as session:
        headers = {"outkit-access-key": "x", "x-forwarded-proto": "https"}
        async with session.get(f"http://127.0.0.1:{running.port}{PATH}", headers=headers) as answer:
            assert answer.status == 403


async def test_with_a_certificate_the_server_answers_by_https(dsn: str, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(  # noqa: ASYNC221 -- a certificate of this test's own
        ["openssl", "req", *words, *subject, "-keyout", key, "-out", cert],  # noqa: S607
        check=True,
        capture_output=True,
    )
    settings = settings_for(tmp_path, dsn, PORT="0", HOST=EVERYWHERE, TLS_CERT=str(cert), TLS_KEY=str(key))
    trusting = ssl.create_default_context(cafile=str(cert))
    async with running_server(settings, dsn) as running, aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{running.port}{PATH}"
        async with session.get(url, headers={"outkit-access-key": "x"}, ssl=trusting) as answer:
            assert answer.status == 401


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_text("")
    with pytest.raises(ConfigError, match="go together"):
        settings_for(tmp_path, "postgresql://localhost/x", TLS_CERT=str(cert))
    with pytest.raises(ConfigError, match="absolute path of a file"):
        settings_for(tmp_path, "postgresql://localhost/x", TLS_CERT=str(tmp_path / "none.pem"))
