"""The schemas of the event types that Outrider itself appends, as the contract lists them."""

from dataclasses import dataclass
from typing import Final

import orjson


@dataclass(frozen=True, slots=True)
class BuiltInSchema:
    """A built-in type: payloads have at least these members."""

    name: str
    required_fields: tuple[str, ...]

    @property
    def category(self) -> str:
        """What the type is about."""
        return self.name.partition(".")[0]

    @property
    def description(self) -> str:
        """In the words of the contract."""
        return f"Built-in schema for {self.name} events"

    @property
    def json_schema(self) -> str:
        """As JSON text."""
        return orjson.dumps({"type": "object", "required": self.required_fields}).decode()


BUILT_IN_SCHEMAS: Final = (
    BuiltInSchema("file.inbound", ("file_id",)),
    BuiltInSchema("link_code.activation", ("link_code_event_id",)),
    BuiltInSchema("link_code.generated", ("code",)),
    BuiltInSchema("message.inbound", ("type", "message", "platform")),
    BuiltInSchema("message.outbound", ("type", "message", "platform")),
    BuiltInSchema("user.merged", ("source_user_id", "target_user_id")),
)
