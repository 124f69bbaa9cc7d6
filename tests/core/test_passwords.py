"""Passwords: how they are kept, and what happens when many come at once."""

import asyncio

import pytest
from argon2 import PasswordHasher

from outrider.core.errors import Unavailable, ValidationError
from outrider.core.passwords import Passwords, Verified, checked_password

QUICK = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)


async def test_a_password_is_known_again() -> None:
    passwords = Passwords(QUICK)
    kept = await passwords.hash("a password of mine")

    assert kept.startswith("$argon2id$")
    assert await passwords.verify("a password of mine", kept) == Verified(is_right=True)
    assert await passwords.verify("a password of yours", kept) == Verified(is_right=False)
    assert await passwords.verify("a password of mine", "no hash") == Verified(is_right=False)
    assert await passwords.verify("a password of mine", None) == Verified(is_right=False)
    assert await passwords.verify("nobody's password", None) == Verified(is_right=False)


async def test_the_same_letters_are_the_same_password() -> None:
    passwords = Passwords(QUICK)

    assert (await passwords.verify("Caf\u00e9 am See", await passwords.hash("Cafe\u0301 am See"))).is_right


async def test_a_hash_that_is_weaker_than_ours_is_outdated() -> None:
    kept = await Passwords(QUICK).hash("a password of mine")

    stronger = Passwords(PasswordHasher(time_cost=2, memory_cost=1024, parallelism=1))
    assert await stronger.verify("a password of mine", kept) == Verified(is_right=True, is_outdated=True)


async def test_too_many_at_once_are_refused() -> None:
    passwords = Passwords(QUICK)

    answers = await asyncio.gather(*[passwords.hash("x") for _ in range(100)], return_exceptions=True)

    refused = [one for one in answers if isinstance(one, Unavailable)]
    assert 0 < len(refused) < 100
    assert all(isinstance(one, str | Unavailable) for one in answers)
    await passwords.hash("x")


async def test_strangers_take_no_place_of_who_is_expected() -> None:
    passwords = Passwords(QUICK)
    kept = await passwords.hash("a password of mine")
    strangers = [asyncio.create_task(passwords.verify("x", None)) for _ in range(100)]
    await asyncio.sleep(0)

    mine = await asyncio.gather(
        *[passwords.verify("a password of mine", kept, is_expected=True) for _ in range(3)]
    )

    assert mine == [Verified(is_right=True)] * 3
    ended = await asyncio.gather(*strangers, return_exceptions=True)
    assert any(isinstance(one, Unavailable) for one in ended)


@pytest.mark.parametrize("text", ["eleven char", "x" * 257, "a\0 in the middle", "a lone \ud800 one"])
def test_what_cannot_be_a_password_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        checked_password(text)


def test_anything_else_can() -> None:
    assert checked_password("Zwölf Boxkämpfer 🥊")
