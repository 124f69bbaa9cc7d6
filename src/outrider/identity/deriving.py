"""The ids of people, for those who write identities; tenancy makes system users by the same rule."""

from outrider.tenancy.derived_ids import platform_user_id, user_id

__all__ = ["platform_user_id", "user_id"]
