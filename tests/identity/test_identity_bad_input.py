"""Whatever is passed to an operation on identities: it is done, or refused as an `AppError` with nothing written."""

from collections.abc import Awaitable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.core.errors import AppError, InternalError
from outrider.identity.activating import activate_link_code
from outrider.identity.link_codes import generate_link_code
from outrider.identity.merging import merge_users
from outrider.identity.platform_users import create_platform_user
from outrider.identity.users import create_user, update_user
from outrider.identity.values import NewPlatformUser
from tests.identity.people import Town

JUNK = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.characters(categories=("Cs", "Cc", "Zs", "Nd")), max_size=40),
    st.sampled_from(["", "\0", "x" * 5_000, "1234-5678-9012-5924", "https://a", "http://[", "+", "@", "a@"]),
)
LIMITS = st.one_of(st.integers(-5, 5), st.integers(), st.sampled_from([2**31, 2**63, -(2**63) - 1]))
MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def done_or_refused(town: Town, operation: Awaitable[object]) -> None:
    before = await town.count()
    refusal: AppError | None = None
    try:
        await operation
    except AppError as error:
        refusal = error
    if refusal is not None:
        assert not isinstance(refusal, InternalError)
        # the message must be showable itself
        refusal.message.encode()
        assert await town.count() == before


@MANY
@given(name=JUNK)
async def test_names_of_users(town: Town, name: str) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    user = await create_user(context, actor, name="Ada")

    await done_or_refused(town, create_user(context, actor, name=name))
    await done_or_refused(town, update_user(context, actor, user.id, name=name))


@MANY
@given(external_id=JUNK, name=st.none() | JUNK, picture=st.none() | JUNK)
async def test_platform_users(town: Town, external_id: str, name: str | None, picture: str | None) -> None:
    new = NewPlatformUser(
        connection_id=town.here, external_id=external_id, name=name, profile_picture_url=picture
    )

    await done_or_refused(town, create_platform_user(town.runtime.identity, town.tenant.actor, new))


@MANY
@given(code=JUNK, minutes=LIMITS, uses=LIMITS, ids=st.tuples(st.uuids(), st.uuids()))
async def test_codes_and_merges(
    town: Town, code: str, minutes: int, uses: int, ids: tuple[object, object]
) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    people = await town.database.fetch(
        "select id from platform_users where application_id = $1 and external_id = 'ada'",
        town.tenant.application_id,
    )
    person = people[0]["id"] if people else (await town.person("ada")).id

    await done_or_refused(
        town, generate_link_code(context, actor, person, expiry_minutes=minutes, max_uses=uses)
    )
    with pytest.raises(AppError):
        await activate_link_code(context, actor, code, person)
    await done_or_refused(town, merge_users(context, actor, *ids))  # type: ignore[arg-type]
