"""Finds the route of a request: literal parts of a path go before places, and every other method is refused."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from outrider.core.errors import MethodNotAllowed, NotFound
from outrider.surfaces.developer_rest.routes import Route


class NoRoute(NotFound):
    """There is nothing at this address."""


class WrongMethod(MethodNotAllowed):
    """There is no such method at this address."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__(f"This address takes {' and '.join(allowed)}.")
        self.allowed = tuple(allowed)


@dataclass(slots=True)
class _Node:
    """What may follow a part of a path."""

    by_word: "dict[str, _Node]" = field(default_factory=dict[str, "_Node"])
    place: "_Node | None" = None
    routes: dict[str, Route] = field(default_factory=dict[str, Route])


class Router:
    """All routes, by the parts of their paths."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for part in _parts(route.path):
                node = _grown(node, part)
            assert route.method not in node.routes, f"{route.method} {route.path} stands twice"
            node.routes[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Give the route and what stands at its places; raises `NoRoute` or `WrongMethod`."""
        node: _Node | None = self._root
        found: list[str] = []
        for part in _parts(path):
            assert node is not None
            literal = node.by_word.get(part)
            if literal is None:
                found.append(part)
            node = literal or (node.place if part else None)
            if node is None:
                raise NoRoute
        if not node or not node.routes:
            raise NoRoute
        route = node.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            raise WrongMethod(sorted({*node.routes, *(["HEAD"] if "GET" in node.routes else [])}))
        return route, dict(zip(route.places, found, strict=True))


def _parts(path: str) -> list[str]:
    return path.split("/")[1:]


def _grown(node: _Node, part: str) -> _Node:
    if part.startswith("{"):
        node.place = node.place or _Node()
        return node.place
    return node.by_word.setdefault(part, _Node())
