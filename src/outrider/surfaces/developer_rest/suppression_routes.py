"""The suppression list."""

from typing import Final

from outrider.surfaces.developer_rest import resources
from outrider.surfaces.developer_rest.parameters import PAGES, Parameter, equal_to
from outrider.surfaces.developer_rest.route_kinds import Acting, Getting, Listing

_TAG: Final = "suppressions"

SUPPRESSIONS: Final = (
    Listing(
        path="/v1/suppressions",
        field="suppressions",
        shape=resources.SUPPRESSION,
        name="list_suppressions",
        tag=_TAG,
        parameters=(
            Parameter("platform_name", "PlatformName", "`email` or `sms`.", ("filters", "platformName")),
            Parameter("reason", "SuppressionReason", "By reason.", ("filters", "reason")),
            equal_to("address", "address", "String", "Only this address, in lower case."),
            *PAGES,
        ),
    ),
    Acting(
        path="/v1/suppressions",
        field="addSuppression",
        shape=resources.SUPPRESSION,
        tag=_TAG,
        status=201,
        example={"platform_name": "email", "address": "ada@example.com", "note": "asked on the phone"},
    ),
    Getting(
        path="/v1/suppressions/{id}",
        field="suppression",
        shape=resources.SUPPRESSION,
        name="get_suppression",
        tag=_TAG,
    ),
    Acting(
        method="DELETE",
        path="/v1/suppressions/{id}",
        field="removeSuppression",
        tag=_TAG,
        status=204,
    ),
)
