"""Telegram updates as the Bot API describes them, made up for our tests."""

from typing import Any

PERSON: dict[str, Any] = {
    "id": 51,
    "is_bot": False,
    "first_name": "Ines",
    "last_name": "Okafor",
    "username": "ines_o",
    "language_code": "pt",
}
PRIVATE_CHAT: dict[str, Any] = {"id": 51, "type": "private", "first_name": "Ines", "username": "ines_o"}
GROUP: dict[str, Any] = {"id": -100987654321, "type": "supergroup", "title": "Harbour crew", "is_forum": True}
CHANNEL: dict[str, Any] = {"id": -100555, "type": "channel", "title": "Tide tables", "username": "tides"}


def message(**changes: Any) -> dict[str, Any]:
    """A text message in a private chat; a change to None takes the member away."""
    written = {
        "message_id": 41,
        "date": 1795170000,
        "from": PERSON,
        "chat": PRIVATE_CHAT,
        "text": "When does the ferry leave?",
        **changes,
    }
    return {name: value for name, value in written.items() if value is not None}


def reaction_update(*now: str, before: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """An update with a reaction; the one that is there now and the one before."""
    old, new = ([{"type": "emoji", "emoji": emoji} for emoji in emojis] for emojis in (before, now))
    told = {
        "chat": PRIVATE_CHAT,
        "message_id": 41,
        "user": PERSON,
        "date": 1795170000,
        "old_reaction": old,
        "new_reaction": new,
        **changes,
    }
    return {
        "update_id": 15,
        "message_reaction": {name: value for name, value in told.items() if value is not None},
    }


def text_update(update_id: int = 7, **changes: Any) -> dict[str, Any]:
    """An update with a text message in a private chat."""
    return {"update_id": update_id, "message": message(**changes)}
