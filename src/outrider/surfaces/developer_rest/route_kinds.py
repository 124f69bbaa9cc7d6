"""The few kinds of routes that nearly all are: one thing shown, a list shown, a mutation carried out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import parse_id
from outrider.surfaces.developer_graphql.kinds import Kind
from outrider.surfaces.developer_rest import documents
from outrider.surfaces.developer_rest.bounds import loosened
from outrider.surfaces.developer_rest.documents import Serving
from outrider.surfaces.developer_rest.members import Members, members_of
from outrider.surfaces.developer_rest.names import snake, split_description
from outrider.surfaces.developer_rest.parameters import COUNT, PAGES, Parameter, read_parameters
from outrider.surfaces.developer_rest.routes import IDEMPOTENCY_KEY, Asked, Handle, Route, places_in
from outrider.surfaces.developer_rest.shapes import JsonSchema, Shape, closed
from outrider.tenancy.actors import Actor


def _always(_found: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Getting:
    """Show one thing, or answer that there is none."""

    path: str
    field: str
    shape: Shape
    name: str
    tag: str
    argument: str = "id"
    """The argument that takes the id of the path."""
    parameters: tuple[Parameter, ...] = ()
    resource: str | None = None
    """What is missing if it is missing, where the shape is called otherwise."""
    text: str | None = None
    is_meant: Callable[[Any], bool] = _always

    def route(self) -> Route:
        """Give the route."""
        has_place = bool(places_in(self.path))
        return Route(
            method="GET",
            path=self.path,
            name=self.name,
            tag=self.tag,
            text=self.text
            or _text_of(documents.query_field(self.field).description).replace(", or null", ""),
            handle=self._handling(),
            answer=self.shape.reference,
            shapes=(self.shape,),
            parameters=self.parameters,
            refusals=(404,) if has_place else (),
        )

    def _handling(self) -> Handle:
        places = (self.argument,) if places_in(self.path) else ()
        used = [*places, *(parameter.into[0] for parameter in self.parameters)]
        document = documents.query(self.field, used, self.shape.selection)

        async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
            arguments = read_parameters(self.parameters, asked.query) | read_places(asked, places)
            found = await document.ask(serving, actor, arguments)
            if found is None or not self.is_meant(found):
                raise _missing(self.resource or self.shape.name, arguments.get(self.argument))
            return self.shape.project(found)

        return handle


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Show a list: page by page if the field has pages, else as a whole."""

    path: str
    field: str
    shape: Shape
    name: str
    tag: str
    parameters: tuple[Parameter, ...] = ()
    fixed: Mapping[str, object] | None = None
    """Arguments that are the same in every request."""
    text: str | None = None

    def route(self) -> Route:
        """Give the route."""
        return Route(
            method="GET",
            path=self.path,
            name=self.name,
            tag=self.tag,
            text=self.text or _text_of(documents.query_field(self.field).description),
            handle=self._handling(),
            answer=_page_schema(self.shape) if self._has_pages else _list_schema(self.shape),
            shapes=(self.shape,),
            parameters=self.parameters,
            names={"after": "cursor", "first": "limit"},
        )

    @property
    def _has_pages(self) -> bool:
        return all(one in self.parameters for one in PAGES)

    def _handling(self) -> Handle:
        return self._showing_pages() if self._has_pages else self._showing_all()

    def _showing_all(self) -> Handle:
        document = documents.query(self.field, self._used, self.shape.selection)

        async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
            arguments = read_parameters(self.parameters, asked.query, self.fixed)
            return _whole(await document.ask(serving, actor, arguments), self.shape)

        return handle

    def _showing_pages(self) -> Handle:
        page = f"edges {{ node {self.shape.selection} }} pageInfo {{ hasNextPage endCursor }}"
        uncounted = documents.query(self.field, self._used, f"{{ {page} }}")
        counted = documents.query(self.field, self._used, f"{{ {page} totalCount totalCountExact }}")

        async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
            arguments = read_parameters(self.parameters, asked.query, self.fixed)
            document = counted if arguments.pop(COUNT.into[0], False) else uncounted
            return _page(await document.ask(serving, actor, arguments), self.shape)

        return handle

    @property
    def _used(self) -> list[str]:
        """The arguments of the field that a request may give."""
        given = {parameter.into[0] for parameter in self.parameters if parameter is not COUNT}
        return sorted(given | set(self.fixed or {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Carry out a mutation: its arguments are the path's id and the members of the body."""

    method: str = "POST"
    path: str
    field: str
    shape: Shape | None = None
    tag: str
    status: int = 200
    without: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    renamed: Mapping[str, str] | None = None
    refusals: tuple[int, ...] = ()
    example: Mapping[str, object] | None = None
    is_batch: bool = False
    """Whether the entries of its list are each answered for themselves."""

    def route(self) -> Route:
        """Give the route."""
        body = self._body()
        names_things = any(_names_things(member.kind) for member in body.by_name.values())
        return Route(
            method=self.method,
            path=self.path,
            name=snake(self.field),
            tag=self.tag,
            text=_text_of(documents.mutation_field(self.field).description),
            handle=self._handling(body),
            status=self.status,
            answer=self.shape.reference if self.shape else None,
            shapes=(self.shape,) if self.shape else (),
            body=self._body_schema(body) if body else None,
            is_body_required=body.is_required,
            takes_key=IDEMPOTENCY_KEY in body.names,
            refusals=(*((404,) if names_things or places_in(self.path) else ()), *self.refusals),
            example=self.example,
            names=body.names,
        )

    def _body(self) -> Members:
        without = (*places_in(self.path), *self.without)
        arguments = documents.mutation_field(self.field).args
        return members_of(
            self.field, arguments, without=without, required=self.required, renamed=self.renamed
        )

    def _body_schema(self, body: Members) -> JsonSchema:
        schema = body.schema
        if self.is_batch:
            for listed in schema["properties"].values():
                listed["items"] = loosened(listed["items"])
        return schema

    def _handling(self, body: Members) -> Handle:
        places, shape = places_in(self.path), self.shape
        used = [name for name in documents.mutation_field(self.field).args if name not in self.without]
        document = documents.mutation(self.field, used, shape.selection if shape else "{ id }")

        async def handle(serving: Serving, actor: Actor, asked: Asked) -> object:
            arguments = read_body(body, asked) | read_places(asked, places)
            found = await document.ask(serving, actor, arguments)
            return shape.project(found) if shape else None

        return handle


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


def read_places(asked: Asked, arguments: Sequence[str]) -> dict[str, Any]:
    """Read the ids of the path; the one place of a path is whatever argument takes it."""
    found: dict[str, Any] = {}
    for argument, text in zip(arguments, asked.places.values(), strict=False):
        try:
            found[argument] = str(parse_id(text))
        except ValidationError as problem:
            raise ValidationError(f"id: {problem.message}.", path="id") from None
    return found


def _missing(resource: str, resource_id: object) -> NotFound:
    words = snake(resource[0].lower() + resource[1:]).replace("_", " ").capitalize()
    return NotFound(f"{words} not found.", resource_type=resource, resource_id=resource_id)


def _list_schema(shape: Shape) -> JsonSchema:
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


def _page_schema(shape: Shape) -> JsonSchema:
    schema = _list_schema(shape)
    schema["properties"] |= {
        "total_count": {
            "type": "integer",
            "description": "If it was asked for: how many there are in all; exact up to 10,000, an estimate beyond.",
        },
        "total_count_exact": {"type": "boolean", "description": "Beside `total_count`: whether it is exact."},
    }
    return schema


def _page(found: Any, shape: Shape) -> object:
    info = found["pageInfo"]
    counts = {snake(name): found[name] for name in ("totalCount", "totalCountExact") if name in found}
    return {
        "data": [shape.project(edge["node"]) for edge in found["edges"]],
        "next_cursor": info["endCursor"] if info["hasNextPage"] else None,
        "has_more": info["hasNextPage"],
        **counts,
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


def _text_of(description: str | None) -> str:
    return split_description(description)[1]
