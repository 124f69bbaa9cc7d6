"""Contents on disk: durable before anybody is told, there once, and removed only when nobody can need them."""

import asyncio
import hashlib
import os
import sys
import time
from pathlib import Path

import pytest

from outrider.files.storage import Content, ContentStorage

DIGITS = "0123456789abcdef"


@pytest.fixture
def storage(tmp_path: Path) -> ContentStorage:
    return ContentStorage(tmp_path / "files")


def _all(storage: ContentStorage) -> list[Path]:
    return [path for path in storage.folder.rglob("*") if path.is_file()]


def _age(storage: ContentStorage, content: Content, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(storage.path_of(content.sha256), (then, then))


def _aged(storage: ContentStorage, seconds: float) -> set[bytes]:
    return {content for digit in DIGITS for content in storage.aged_now(seconds, digit)}


async def test_a_content_lies_under_its_digest_in_two_levels_of_folders(storage: ContentStorage) -> None:
    stored = await storage.put(b"hello")

    digest = hashlib.sha256(b"hello").hexdigest()
    assert stored == Content(bytes.fromhex(digest), 5)
    assert _all(storage) == [storage.folder / digest[:2] / digest[2:4] / digest]
    assert await storage.read(stored.sha256) == b"hello"


async def test_the_same_content_is_there_once(storage: ContentStorage) -> None:
    stored = await asyncio.gather(*(storage.put(b"same") for _ in range(20)))

    assert len(set(stored)) == 1
    assert len(_all(storage)) == 1


async def test_it_is_flushed_with_its_folder_before_anybody_is_told(
    storage: ContentStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)

    stored = await storage.put(b"flushed")

    path = storage.path_of(stored.sha256)
    at = next(number for number, name in enumerate(flushed) if ".draft-" in name)
    assert str(path.parent) in flushed[at + 1 :]
    assert {str(storage.folder.parent), str(storage.folder), str(path.parent.parent)} <= set(flushed)


async def test_a_content_of_another_length_is_written_anew(storage: ContentStorage) -> None:
    stored = await storage.put(b"whole")
    storage.path_of(stored.sha256).write_bytes(b"who")

    await storage.put(b"whole")

    assert await storage.read(stored.sha256) == b"whole"


async def test_a_damaged_content_has_another_digest(storage: ContentStorage) -> None:
    stored = await storage.put(b"whole")
    assert storage.digest_now(stored.sha256) == stored.sha256

    storage.path_of(stored.sha256).write_bytes(b"whale")

    assert storage.digest_now(stored.sha256) not in {None, stored.sha256}
    assert storage.digest_now(bytes(32)) is None


async def test_only_what_is_old_can_be_removed(storage: ContentStorage) -> None:
    old, young = await storage.put(b"old"), await storage.put(b"young")
    _age(storage, old, 100)

    assert _aged(storage, 50) == {old.sha256}
    assert storage.remove_now([old.sha256, young.sha256], 50) == 1
    assert _all(storage) == [storage.path_of(young.sha256)]


async def test_what_is_stored_again_is_young_again(storage: ContentStorage) -> None:
    stored = await storage.put(b"again")
    _age(storage, stored, 100)
    found = _aged(storage, 50)

    await storage.put(b"again")

    assert found == {stored.sha256}
    assert storage.remove_now(found, 50) == 0
    assert await storage.read(stored.sha256) == b"again"


async def test_old_drafts_are_removed(storage: ContentStorage) -> None:
    stored = await storage.put(b"x")
    draft = storage.path_of(stored.sha256).with_name(".draft-0123456789abcdef")
    draft.write_bytes(b"half")
    os.utime(draft, (1, 1))

    assert _aged(storage, 50) == set()
    assert not draft.exists()


_WRITER = """
import sys
from pathlib import Path
from outrider.files.storage import ContentStorage
storage = ContentStorage(Path(sys.argv[1]))
for number in range(100_000):
    stored = storage.put_now(str(number).encode() * 50_000)
    print(number, stored.sha256.hex(), flush=True)
"""


async def test_what_was_told_is_whole_after_a_kill(storage: ContentStorage) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(storage.folder), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(20)]
    writer.kill()
    lines += (await writer.stdout.read()).splitlines()
    await writer.wait()

    told = [line.decode().split() for line in lines if len(line.split()) == 2]
    assert len(_all(storage)) >= 20
    assert all(storage.digest_now(bytes.fromhex(digest)) == bytes.fromhex(digest) for _, digest in told)
    drafts = [path for path in _all(storage) if path.name.startswith(".draft-")]
    whole = [path for path in _all(storage) if path not in drafts]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in whole)
    assert len(drafts) <= 1
