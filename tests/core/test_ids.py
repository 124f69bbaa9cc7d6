import os
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.core.ids import IdClock, derived_id, first_id_after, first_id_at, parse_id, time_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=365 * 8000)).map(lambda since: EPOCH + since)
KEY = b"k" * 32


def test_ids_are_unique_and_never_go_backwards() -> None:
    clock = IdClock()

    made = [clock.new() for _ in range(50_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = IdClock().new()

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_a_clock_set_back_does_not_take_ids_back() -> None:
    clock = IdClock(offset_ms=3_600_000)
    first = clock.new()

    clock.set_offset(-3_600_000)

    assert clock.new() > first


def test_ids_take_the_databases_time() -> None:
    clock = IdClock()
    clock.set_offset(86_400_000)

    ahead = time_of(clock.new()) - datetime.now(UTC)

    assert timedelta(hours=23, minutes=59) < ahead < timedelta(hours=24, minutes=1)
    assert abs(clock.now_ms() - time.time() * 1000 - 86_400_000) < 60_000


def test_a_forked_child_draws_other_random_bits() -> None:
    clock = IdClock()
    clock.new()
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        os.write(write, clock.new().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    of_child = uuid.UUID(bytes=os.read(read, 16))
    os.close(read)
    os.close(write)

    assert of_child.int & (1 << 62) - 1 != clock.new().int & (1 << 62) - 1


@given(MOMENTS)
def test_the_time_of_the_first_id_is_the_moment_in_milliseconds(moment: datetime) -> None:
    made = time_of(first_id_at(moment))

    assert timedelta(0) <= made - moment < timedelta(milliseconds=1)


@given(MOMENTS, st.integers(-2000, 2000))
def test_bounds_by_id_are_bounds_by_time(moment: datetime, microseconds: int) -> None:
    bound = max(moment + timedelta(microseconds=microseconds), EPOCH)
    made = uuid.UUID(int=first_id_at(moment).int | 0x123 << 64 | 0x456)
    created_at = time_of(made)

    assert (made >= first_id_at(bound)) == (created_at >= bound)
    assert (made >= first_id_after(bound)) == (created_at > bound)


def test_bounds_know_other_time_zones() -> None:
    east = datetime(2026, 5, 1, 3, tzinfo=timezone(timedelta(hours=3)))

    assert first_id_at(east) == first_id_at(datetime(2026, 5, 1, tzinfo=UTC))


def test_a_moment_before_1970_is_below_every_id() -> None:
    assert first_id_at(datetime(1812, 1, 1, tzinfo=UTC)) < IdClock().new()


def test_an_id_of_another_version_holds_no_time() -> None:
    with pytest.raises(ValueError, match="holds no time"):
        time_of(uuid.uuid4())


@given(st.uuids(), st.sampled_from(["", "pc_", "app_"]), st.booleans())
def test_ids_are_read_with_and_without_a_prefix(made: uuid.UUID, prefix: str, upper: bool) -> None:
    text = str(made).upper() if upper else str(made)

    assert parse_id(prefix + text) == made


def test_only_the_named_prefixes_pass_when_there_are_any() -> None:
    made = uuid.uuid4()

    assert parse_id(f"pc_{made}", prefixes=("pc",)) == parse_id(str(made), prefixes=("pc",)) == made
    with pytest.raises(ValidationError):
        parse_id(f"app_{made}", prefixes=("pc",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "pc_",
        "Pc_00000000-0000-0000-0000-000000000000",
        "p1_00000000-0000-0000-0000-000000000000",
        "_00000000-0000-0000-0000-000000000000",
        "a_b_00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000",
        "0000000-00000-0000-0000-000000000000",
        "00000000-0000-0000-0000-00000000000g",
        "00000000-0000-0000-0000-00000000000٣",
        "00000000-0000-0000-0000-0000-0000000",
        "00000000-0000-0000-0000-000000000000\0",
        "\ud800",
        "x" * 100_000,
    ],
)
def test_anything_else_is_not_an_id(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_id(text)

    assert len(refused.value.message) < 500


@given(st.text())
def test_reading_an_id_never_fails_in_another_way(text: str) -> None:
    try:
        parse_id(text)
    except ValidationError:
        return
    assert len(text) >= 36


def test_a_derived_id_depends_on_every_part_and_on_where_it_ends() -> None:
    connection = uuid.uuid4()
    names = {
        derived_id(KEY, connection, "12345"),
        derived_id(b"other", connection, "12345"),
        derived_id(KEY, uuid.uuid4(), "12345"),
        derived_id(KEY, connection, "1234", "5"),
        derived_id(KEY, connection, "123", "45"),
        derived_id(KEY, connection),
    }

    assert len(names) == 6
    assert all((name.version, name.variant) == (8, uuid.RFC_4122) for name in names)


@given(st.text(st.characters()), st.binary())
def test_deriving_twice_gives_the_same_id(text: str, data: bytes) -> None:
    assert derived_id(KEY, text, data) == derived_id(KEY, text, data)
