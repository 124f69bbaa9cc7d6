"""The limit of webhook delivery: `bare_post.py URL SECONDS` prints how many posts a second one aiohttp loop does."""

import asyncio
import sys
import time

import aiohttp
import uvloop

_CONCURRENCY = 64
_BODY = b'{"id": "' + b"0" * 36 + b'", "payload": {"text": "' + b"x" * 600 + b'"}}'
_HEADERS = {
    "content-type": "application/json",
    "webhook-id": "0" * 36,
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v1," + "0" * 44,
    "x-outeract-signature": "sha256=" + "0" * 64,
    "x-outeract-timestamp": "1700000000",
}


async def main(url: str, seconds: float) -> float:
    """Post as fast as one loop can and give the rate."""
    posted = 0
    ending = time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal posted
        while time.monotonic() < ending:
            async with session.post(url, data=_BODY, headers=_HEADERS) as response:
                await response.read()
                assert response.status == 200
            posted += 1

    connector = aiohttp.TCPConnector(limit=_CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(client(session) for _ in range(_CONCURRENCY)))
    return posted / seconds


if __name__ == "__main__":
    print(uvloop.run(main(sys.argv[1], float(sys.argv[2]))))
