"""What a route is, and a request as its handler sees it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from outrider.core.storable import MAX_BYTES
from outrider.surfaces.developer_rest.documents import Serving
from outrider.surfaces.developer_rest.parameters import Parameter
from outrider.surfaces.developer_rest.shapes import JsonSchema, Shape
from outrider.tenancy.actors import Actor

IDEMPOTENCY_KEY: Final = "idempotencyKey"
_PLACE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a handler sees it."""

    places: Mapping[str, str]
    """The parts of the path that stand for something, as they are written there."""
    query: bytes = b""
    body: bytes = b""
    content_type: bytes = b""
    idempotency_key: str | None = None


Handle = Callable[[Serving, Actor, Asked], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path: what it does, and what the OpenAPI document says of it."""

    method: str
    path: str
    name: str
    """Its operation id."""
    tag: str
    text: str
    """Its description; the first sentence is its summary."""
    handle: Handle
    status: int = 200
    answer: JsonSchema | None = None
    """The JSON Schema of the answer; None if there is none."""
    shapes: tuple[Shape, ...] = ()
    """Every shape that the schema of the answer refers to."""
    parameters: tuple[Parameter, ...] = ()
    body: JsonSchema | None = None
    """The JSON Schema of its body; None if there is none."""
    is_body_required: bool = True
    form: JsonSchema | None = None
    """The JSON Schema of its body as a form, where it takes one."""
    media: Mapping[bytes, int] = field(default_factory=lambda: {b"application/json": MAX_BYTES})
    """The types of body that it takes, and how large each may be."""
    takes_key: bool = False
    """Whether it may be repeated with an `Idempotency-Key`."""
    refusals: tuple[int, ...] = ()
    """Statuses of its own, beside those that any route may have."""
    example: Mapping[str, object] | None = None
    """An example of a body."""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """How arguments are called here, for what operations say of them."""

    @property
    def places(self) -> list[str]:
        """What the path takes."""
        return _PLACE.findall(self.path)


def media_type_of(content_type: bytes) -> bytes:
    """Give a media type without its parameters."""
    return content_type.split(b";", 1)[0].strip().lower()


def places_in(path: str) -> list[str]:
    """Give what the path takes."""
    return _PLACE.findall(path)
