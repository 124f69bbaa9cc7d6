"""What a route is, and the few kinds of them that nearly all are."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import parse_id
from outrider.core.storable import MAX_BYTES
from outrider.surfaces.developer_graphql.kinds import Kind
from outrider.surfaces.developer_rest import documents
from outrider.surfaces.developer_rest.documents import Serving
from outrider.surfaces.developer_rest.members import Members, members_of
from outrider.surfaces.developer_rest.names import snake, split_description
from outrider.surfaces.developer_rest.parameters import LIMIT, Parameter, read_parameters
from outrider.surfaces.developer_rest.shapes import JsonSchema, Shape, closed
from outrider.tenancy.actors import Actor

IDEMPOTENCY_KEY: Final = "idempotencyKey"
_PLACE: Final = re.compile(r"\{(\w+)\}")
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


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
    media_types: tuple[bytes, ...] = (b"application/json",)
    most_bytes: int = MAX_BYTES
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


def getting(
    path: str,
    field_name: str,
    shape: Shape,
    *,
    name: str,
    tag: str,
    place: str = "id",
    parameters: tuple[Parameter, ...] = (),
    resource: str | None = None,
    text: str | None = None,
    is_meant: Callable[[Any], bool] = lambda _found: True,
) -> Route:
    """Show one thing, or answer that there is none."""
    defined = documents.query_field(field_name)
    used = [argument for argument in defined.args if argument == place or parameters]
    document = documents.query(field_name, used, shape.selection)

    async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
        arguments = read_parameters(parameters, asked.query) | read_places(asked, place)
        found = await document.ask(serving, actor, arguments)
        if found is None or not is_meant(found):
            raise missing(resource or shape.name, asked.places.get("id", ""))
        return shape.project(found)

    return Route(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        text=text or _of_rest(defined.description).replace(", or null", ""),
        handle=handle,
        answer=shape.reference,
        shapes=(shape,),
        parameters=parameters,
        refusals=(404,) if _PLACE.search(path) else (),
    )


def listing(
    path: str,
    field_name: str,
    shape: Shape,
    *,
    name: str,
    tag: str,
    parameters: tuple[Parameter, ...] = (),
    fixed: Mapping[str, object] | None = None,
    text: str | None = None,
) -> Route:
    """Show a list: page by page if the field has pages, else as a whole."""
    defined = documents.query_field(field_name)
    has_pages = LIMIT in parameters
    used = sorted({parameter.into[0] for parameter in parameters} | set(fixed or {}))
    selection = (
        f"{{ edges {{ node {shape.selection} }} pageInfo {{ hasNextPage endCursor }} }}"
        if has_pages
        else shape.selection
    )
    document = documents.query(field_name, used, selection)

    async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
        arguments = read_parameters(parameters, asked.query, fixed)
        found = await document.ask(serving, actor, arguments)
        return _page(found, shape) if has_pages else _whole(found, shape)

    return Route(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        text=text or _of_rest(defined.description),
        handle=handle,
        answer=list_schema(shape),
        shapes=(shape,),
        parameters=parameters,
        names={"after": "cursor", "first": "limit"},
    )


def acting(
    method: str,
    path: str,
    field_name: str,
    shape: Shape | None,
    *,
    tag: str,
    name: str | None = None,
    status: int = 200,
    without: tuple[str, ...] = (),
    required: tuple[str, ...] = (),
    renamed: Mapping[str, str] | None = None,
    refusals: tuple[int, ...] = (),
    example: Mapping[str, object] | None = None,
    text: str | None = None,
) -> Route:
    """Carry out a mutation: its arguments are the path's id and the members of the body."""
    defined = documents.mutation_field(field_name)
    places = _PLACE.findall(path)
    body = members_of(
        field_name, defined.args, without=(*places, *without), required=required, renamed=renamed
    )
    used = [argument for argument in defined.args if argument not in without]
    document = documents.mutation(field_name, used, shape.selection if shape else "{ id }")

    async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
        arguments = read_body(body, asked) | read_places(asked, *places)
        found = await document.ask(serving, actor, arguments)
        return shape.project(found) if shape else None

    takes_ids = bool(places) or any(_names_things(member.kind) for member in body.by_name.values())
    return Route(
        method=method,
        path=path,
        name=name or snake(field_name),
        tag=tag,
        text=text or _of_rest(defined.description),
        handle=handle,
        status=status,
        answer=shape.reference if shape else None,
        shapes=(shape,) if shape else (),
        body=body.schema if body else None,
        is_body_required=body.is_required,
        takes_key=IDEMPOTENCY_KEY in used,
        refusals=(*((404,) if takes_ids else ()), *refusals),
        example=example,
        names=body.names,
    )


def read_body(body: Members, asked: Asked) -> dict[str, Any]:
    """Read the body as arguments; a key in the header is as good as one in the body."""
    if not body:
        if asked.body.strip() not in {b"", b"{}"}:
            raise ValidationError("No body is expected here.")
        return {}
    arguments = body.parse(asked.body)
    key = asked.idempotency_key
    if key is None or snake(IDEMPOTENCY_KEY) not in body.by_name:
        return arguments
    if arguments.get(IDEMPOTENCY_KEY) not in {None, key}:
        raise ValidationError(
            "idempotency_key and the header Idempotency-Key differ.", path=snake(IDEMPOTENCY_KEY)
        )
    return arguments | {IDEMPOTENCY_KEY: key}


def read_places(asked: Asked, *arguments: str) -> dict[str, Any]:
    """Read the ids of the path; the one place of a path is whatever argument takes it."""
    found: dict[str, Any] = {}
    for argument, text in zip(arguments, asked.places.values(), strict=False):
        try:
            found[argument] = str(parse_id(text))
        except ValidationError as problem:
            raise ValidationError(f"id: {problem.message}.", path="id") from None
    return found


def missing(resource: str, resource_id: str) -> NotFound:
    """Refuse what does not exist, or belongs to somebody else."""
    words = _WORD.sub(" ", resource).capitalize()
    bare = str(parse_id(resource_id))
    return NotFound(f"{words} not found.", resource_type=resource, resource_id=bare)


def list_schema(shape: Shape) -> JsonSchema:
    """Give the schema of a page."""
    return closed(
        {
            "data": {"type": "array", "items": shape.reference, "description": "The entries."},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "The `cursor` of the next page; null on the last one.",
            },
            "has_more": {"type": "boolean", "description": "Whether there is a next page."},
        },
        "A page of a list.",
    )


def _page(found: Any, shape: Shape) -> object:
    info = found["pageInfo"]
    return {
        "data": [shape.project(edge["node"]) for edge in found["edges"]],
        "next_cursor": info["endCursor"] if info["hasNextPage"] else None,
        "has_more": info["hasNextPage"],
    }


def _whole(found: Sequence[Any], shape: Shape) -> object:
    return {"data": [shape.project(one) for one in found], "next_cursor": None, "has_more": False}


def _names_things(kind: Kind) -> bool:
    """Whether an argument holds ids."""
    if kind.item is not None:
        return _names_things(kind.item)
    if kind.is_object:
        return any(_names_things(inner) for inner in kind.fields.values())
    return kind.graphql.name == "UUID"


def _of_rest(description: str | None) -> str:
    return split_description(description)[1]
