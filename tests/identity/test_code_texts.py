"""How link codes are written and found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.identity.code_texts import find_code, is_code, new_code, written_code

GROUPS = st.lists(st.integers(0, 9_999), min_size=3, max_size=3)


@pytest.mark.parametrize(
    "code",
    [
        "1234-5678-9012-5924",
        "0000-0000-0000-0000",
        "9999-9999-9999-9997",
        "1000-2000-3000-6000",
        "5000-5000-0000-0000",
    ],
)
def test_a_right_checksum_is_a_code(code: str) -> None:
    assert is_code(code)
    assert find_code(f"my code is {code}, thanks") == code


@pytest.mark.parametrize(
    "text",
    [
        "1234-5678-9012-3456",
        "1234-5678-9012-592",
        "1234-5678-9012-59240",
        "1234 5678 9012 5924",
        "1234567890125924",
        "-".join(["\u0660" * 4] * 4),
        "",
        "1234-5678-9012-5924-1111",
        "1111-1234-5678-9012-5924",
        "91234-5678-9012-5924",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_code(text)
    assert find_code(text) is None


@given(GROUPS, st.text(max_size=20), st.text(max_size=20))
def test_a_written_code_is_found_in_any_text(groups: list[int], before: str, after: str) -> None:
    code = written_code(groups)

    assert is_code(code)
    assert find_code(f"{before} {code} {after}") == code


@given(GROUPS, st.integers(1, 9_999))
def test_a_wrong_checksum_is_never_a_code(groups: list[int], off: int) -> None:
    right = written_code(groups)
    wrong = f"{right[:-4]}{(int(right[-4:]) + off) % 10_000:04}"

    assert not is_code(wrong)
    assert find_code(wrong) is None


def test_the_first_code_in_a_text_counts() -> None:
    assert (
        find_code("not 1234-5678-9012-3456 but 1000-2000-3000-6000 or 0000-0000-0000-0000")
        == "1000-2000-3000-6000"
    )


def test_new_codes_are_codes_and_differ() -> None:
    codes = {new_code() for _ in range(1_000)}

    assert len(codes) == 1_000
    assert all(is_code(code) for code in codes)
