import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.core import log
from outrider.core.disk import RESERVE_BYTES, DiskWatch, Space, least_free_bytes, measure

GB = 1_000_000_000
MB = 1_000_000


class Disk:
    """A file system whose size the test decides, and a clock."""

    def __init__(self, free: int, total: int = 10 * GB) -> None:
        self.space = Space(free, total)
        self.asked = 0
        self.now = 0.0
        self.is_broken = False

    def measure(self, _folder: Path) -> Space:
        self.asked += 1
        if self.is_broken:
            raise OSError("input/output error")
        return self.space

    def watch(self, folder: Path) -> DiskWatch:
        return DiskWatch(folder, measure=self.measure, clock=lambda: self.now, reserve_bytes=1 * MB)

    def becomes(self, free: int) -> None:
        self.space = Space(free, self.space.total)
        self.now += 1


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[bytes]]:
    written: list[bytes] = []
    with log.redirected(written.append):
        yield written


@pytest.mark.parametrize(
    ("free", "total", "has_room"),
    [
        (1 * GB, 10 * GB, True),
        (1 * GB - 1, 10 * GB, False),
        (5 * GB, 100 * GB, True),
        (5 * GB - 1, 100 * GB, False),
        (0, 1 * GB, False),
    ],
)
def test_new_facts_need_a_gigabyte_and_five_percent(
    tmp_path: Path, free: int, total: int, has_room: bool
) -> None:
    assert Disk(free, total).watch(tmp_path).may_accept_new_facts() is has_room


def test_room_is_measured_once_a_second(tmp_path: Path) -> None:
    disk = Disk(2 * GB)
    watch = disk.watch(tmp_path)

    assert all(watch.may_accept_new_facts() for _ in range(100))
    disk.space = Space(0, 10 * GB)
    disk.now += 0.9
    assert watch.may_accept_new_facts()
    assert disk.asked == 1

    disk.now += 0.1
    assert not watch.may_accept_new_facts()
    assert disk.asked == 2


def test_room_comes_back_and_each_change_is_logged_once(tmp_path: Path, lines: list[bytes]) -> None:
    disk = Disk(2 * GB)
    watch = disk.watch(tmp_path)

    for free in (2 * GB, 500 * MB, 400 * MB, 2 * GB):
        disk.becomes(free)
        watch.may_accept_new_facts()

    told = [json.loads(line) for line in lines]
    assert [(line["event"], line["level"], line["has_room"]) for line in told] == [
        ("disk.changed", "error", False),
        ("disk.changed", "info", True),
    ]


def test_the_reserve_is_made_where_there_is_room(tmp_path: Path) -> None:
    Disk(2 * GB).watch(tmp_path).prepare()

    assert [path.name for path in tmp_path.iterdir()] == ["reserve"]
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 * MB


def test_the_reserve_is_not_made_where_it_would_cost_the_room(tmp_path: Path) -> None:
    Disk(1 * GB + 1 * MB - 1).watch(tmp_path).prepare()

    assert list(tmp_path.iterdir()) == []


def test_the_reserve_is_given_back_when_it_is_critical_and_made_again_later(tmp_path: Path) -> None:
    disk = Disk(2 * GB)
    watch = disk.watch(tmp_path)
    watch.prepare()

    disk.becomes(900 * MB)
    assert not watch.may_accept_new_facts()
    assert (tmp_path / "reserve").exists()

    disk.becomes(100 * MB)
    watch.may_accept_new_facts()
    assert not (tmp_path / "reserve").exists()

    disk.becomes(101 * MB)
    watch.may_accept_new_facts()
    assert not (tmp_path / "reserve").exists()

    disk.becomes(2 * GB)
    assert watch.may_accept_new_facts()
    assert (tmp_path / "reserve").stat().st_size == 1 * MB


def test_a_half_made_reserve_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(b"x")

    Disk(2 * GB).watch(tmp_path).prepare()

    assert (tmp_path / "reserve").stat().st_size == 1 * MB


def test_a_reserve_that_cannot_be_made_is_tried_once_per_start(tmp_path: Path, lines: list[bytes]) -> None:
    disk = Disk(2 * GB)
    (tmp_path / "reserve").mkdir()  # in the way of the file
    watch = disk.watch(tmp_path)

    for _ in range(3):
        disk.becomes(2 * GB)
        assert watch.may_accept_new_facts()

    assert [json.loads(line)["event"] for line in lines] == ["disk.reserve_failed"]


def test_a_disk_that_cannot_be_asked_takes_no_new_facts(tmp_path: Path, lines: list[bytes]) -> None:
    disk = Disk(2 * GB)
    disk.is_broken = True
    watch = disk.watch(tmp_path)

    assert not watch.may_accept_new_facts()
    assert b"disk.unreadable" in lines[0]

    disk.is_broken = False
    disk.becomes(2 * GB)
    assert watch.may_accept_new_facts()


def test_a_folder_that_nobody_needs_is_measured_where_it_would_be(tmp_path: Path) -> None:
    """A server with its database elsewhere and its key in the environment keeps nothing here."""
    folder = tmp_path / "not" / "there"
    watch = DiskWatch(folder, reserve_bytes=1 * MB)

    watch.prepare()

    assert measure(folder).total == measure(tmp_path).total
    assert watch.may_accept_new_facts() == (measure(tmp_path).free >= least_free_bytes(measure(tmp_path)))
    assert not folder.exists()


def test_a_real_file_system_can_be_asked(tmp_path: Path) -> None:
    space = measure(tmp_path)

    assert 0 < space.free <= space.total
    assert RESERVE_BYTES == 67_108_864
