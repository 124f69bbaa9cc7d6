"""Users, platform users and link codes."""

from typing import Final

from outrider.surfaces.developer_rest import resources
from outrider.surfaces.developer_rest.parameters import CREATED, PAGES, Parameter, equal_to
from outrider.surfaces.developer_rest.route_kinds import Acting, Getting, Listing

_ID: Final = "0198a3c0-0a0b-7c0d-8e0f-102030405060"

USERS: Final = (
    Listing(
        path="/v1/users",
        field="users",
        shape=resources.USER,
        name="list_users",
        tag="users",
        parameters=(
            Parameter(
                "is_system_user",
                "Boolean",
                "Only the application's own side of connections, or only others.",
                ("filters", "isSystemUser"),
            ),
            *CREATED,
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/users/{id}",
        field="user",
        shape=resources.USER,
        name="get_user",
        tag="users",
    ),
    Acting(
        path="/v1/users",
        field="createUser",
        shape=resources.USER,
        tag="users",
        status=201,
        example={"name": "Ada Lovelace"},
    ),
    Acting(
        method="PATCH",
        path="/v1/users/{id}",
        field="updateUser",
        shape=resources.USER,
        tag="users",
        required=("name",),
        example={"name": "Ada Lovelace"},
    ),
    Acting(
        path="/v1/users/merge",
        field="mergeUsers",
        shape=resources.USER_MERGE,
        tag="users",
        example={"source_user_id": _ID, "target_user_id": "0198a3c0-0a0b-7c0d-8e0f-102030405061"},
    ),
    Listing(
        path="/v1/platform-users",
        field="platformUsers",
        shape=resources.PLATFORM_USER,
        name="list_platform_users",
        tag="platform users",
        parameters=(
            Parameter(
                "platform_connection_id", "UUID", "Only those of this connection.", ("platformConnectionId",)
            ),
            equal_to("external_id", "externalId", "String", "By how the platform calls them."),
            equal_to("user_id", "userId", "UUID", "By the person."),
            *CREATED,
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/platform-users/{id}",
        field="platformUser",
        shape=resources.PLATFORM_USER,
        name="get_platform_user",
        tag="platform users",
    ),
    Acting(
        path="/v1/platform-users",
        field="createPlatformUser",
        shape=resources.PLATFORM_USER,
        tag="platform users",
        status=201,
        refusals=(409,),
        example={"platform_connection_id": _ID, "external_id": "+14155551234", "name": "Ada"},
    ),
    Acting(
        method="PATCH",
        path="/v1/platform-users/{id}",
        field="updatePlatformUser",
        shape=resources.PLATFORM_USER,
        tag="platform users",
        example={"name": "Ada", "profile_picture_url": "https://example.com/ada.png"},
    ),
)

LINK_CODES: Final = (
    Acting(
        path="/v1/link-codes",
        field="generateLinkCode",
        shape=resources.LINK_CODE,
        tag="link codes",
        status=201,
        example={"platform_user_id": _ID, "expiry_minutes": 15, "max_uses": 1},
    ),
    Acting(
        path="/v1/link-codes/activate",
        field="activateLinkCode",
        shape=resources.LINK_CODE_ACTIVATION,
        tag="link codes",
        refusals=(410,),
        example={"code": "1234-5678-9012-5924", "platform_user_id": _ID},
    ),
)
