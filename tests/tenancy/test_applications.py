import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.tenancy.applications import create_application, find_application
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.naming import checked_identifier, checked_name, checked_slug, slug_of
from outrider.tenancy.organisations import HIDDEN_SLUG
from tests.tenants import Tenant, new_tenant


async def test_an_application_is_found_by_its_slug_in_its_organisation_only(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    other = await new_tenant(tenancy)
    created = await create_application(tenancy, tenant.organisation_id, "Support", "support-desk")

    assert await find_application(tenancy, tenant.organisation_id, "support-desk") == created
    assert await find_application(tenancy, other.organisation_id, "support-desk") is None


async def test_a_slug_is_unique_in_an_organisation_and_free_in_another(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    other = await new_tenant(tenancy)
    await create_application(tenancy, tenant.organisation_id, "Support")

    with pytest.raises(ResourceExists, match="'support'"):
        await create_application(tenancy, tenant.organisation_id, "Support!")
    assert (await create_application(tenancy, other.organisation_id, "Support")).slug == "support"


async def test_the_hidden_application_is_not_found_and_its_slug_cannot_be_taken(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    assert await find_application(tenancy, tenant.organisation_id, HIDDEN_SLUG) is None
    with pytest.raises(ValidationError):
        await create_application(tenancy, tenant.organisation_id, "Mine", HIDDEN_SLUG)


async def test_an_unknown_organisation_gets_no_application(tenancy: TenancyContext) -> None:
    with pytest.raises(NotFound):
        await create_application(tenancy, tenancy.ids.new(), "Support")


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a b", "a" * 64, "ä", "a\n"])
def test_a_bad_slug_is_refused(slug: str) -> None:
    with pytest.raises(ValidationError):
        checked_slug(slug)


@given(st.text())
def test_every_name_gives_a_slug(name: str) -> None:
    assert checked_slug(slug_of(name))


def test_a_slug_reads_like_its_name() -> None:
    assert slug_of("  Café Zürich & Söhne ") == "cafe-zurich-sohne"


@pytest.mark.parametrize("name", ["", "   ", "a" * 201, "a\x00b", "a\nb", "\ud800"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        checked_name(name)


@pytest.mark.parametrize("identifier", ["", "-a", "a b", "a/b", "a" * 101, "a\n", "ä"])
def test_a_bad_identifier_is_refused(identifier: str) -> None:
    with pytest.raises(ValidationError):
        checked_identifier(identifier)


@pytest.mark.parametrize("identifier", ["a", "ops@example.com", "+12025550104", "tele_bot-1"])
def test_an_identifier_may_be_an_address(identifier: str) -> None:
    assert checked_identifier(identifier) == identifier
