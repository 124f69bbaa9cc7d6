"""The tiers of organisations: how many requests each of their API keys and members may make."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Tier:
    """How many requests a key may make in a clock minute, and in any one second."""

    in_minute: int
    in_second: int


TIERS: Final[Mapping[str, Tier]] = MappingProxyType(
    {
        "free": Tier(60, 10),
        "pro": Tier(600, 100),
        "business": Tier(3_000, 500),
        "enterprise": Tier(6_000, 1_000),
    }
)
"""The counted tiers; any other is unlimited."""
UNLIMITED: Final = "unlimited"
