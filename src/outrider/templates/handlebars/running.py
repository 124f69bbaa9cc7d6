"""A rendering under way: what it may use up, and the scopes in which names are looked up."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outrider.templates.handlebars.problems import Source
from outrider.templates.handlebars.values import is_nothing, number_of

if TYPE_CHECKING:
    from outrider.templates.handlebars.programs import Compiled, Program

_LOOKS_AT_THE_CLOCK: Final = 256
NULL_CONTEXT: Final[dict[str, object]] = {}
"""What null is within a block that keeps the context; nothing is ever put in."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rendering may use up at most."""

    steps: int = 500_000
    """Looks, texts and blocks. What counts is work that cannot go on for ever, on any machine."""
    characters: int = 1_000_000
    depth: int = 100
    """Blocks and partials within each other."""
    seconds: float = 2.0


class Data:
    """What `@` reads: `@root`, `@index` and the like; `@../` reads the one around."""

    __slots__ = ("parent", "values")

    def __init__(self, values: dict[str, object], parent: "Data | None" = None) -> None:
        self.values = values
        self.parent = parent

    def inner(self) -> "Data":
        """One more level, in which everything around is seen."""
        return Data(self.values.copy(), self)


@dataclass(slots=True)
class Levels:
    """The contexts that `../` leads to, the innermost first."""

    context: object
    outer: "Levels | None"


@dataclass(slots=True)
class Params:
    """The values of `as |a b|`, the innermost first; None where values of outside cannot be told."""

    values: tuple[object, ...] | None
    outer: "Params | None"


class Container:
    """One use of a template: which inline partials it knows changes while its blocks are rendered."""

    __slots__ = ("partials",)

    def __init__(self, partials: "dict[str, InlineBody]") -> None:
        self.partials = partials


class Scope:
    """Where an expression stands."""

    __slots__ = ("container", "context", "data", "levels", "params")

    def __init__(
        self, context: object, levels: Levels, data: Data, params: Params | None, container: Container
    ) -> None:
        self.context = context
        self.levels = levels
        self.data = data
        self.params = params
        self.container = container

    def inner(self, context: object, data: Data | None = None, params: Params | None = None) -> "Scope":
        """The scope of a block's content with this context; the same context is no further level."""
        levels = self.levels
        if not _is_same(context, levels.context):
            levels = Levels(context, levels)
        return Scope(
            context,
            levels,
            self.data if data is None else data,
            self.params if params is None else params,
            self.container,
        )


@dataclass(slots=True)
class InlineBody:
    """An inline partial with what was around the block that it stands in."""

    program: "Program"
    scope: Scope


@dataclass(slots=True)
class BlockBody:
    """`@partial-block`: what stands between the tags of a partial block, with what was around it."""

    program: "Program"
    scope: Scope
    around: object
    """The `@partial-block` of the template that it stands in."""


class Run:
    """One rendering: its output, and what is left of its limits."""

    __slots__ = (
        "_characters",
        "_clock",
        "_deadline",
        "_depth",
        "_limits",
        "_steps",
        "_visits",
        "load",
        "out",
    )

    def __init__(
        self,
        load: "Callable[[str], Compiled | None]",
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.load = load
        self.out: list[str] = []
        self._limits = limits
        self._steps = limits.steps
        self._characters = limits.characters
        self._depth = limits.depth
        self._visits = 0
        self._clock = clock
        self._deadline = clock() + limits.seconds

    def spend(self, steps: int, source: Source, offset: int) -> None:
        """Count work; raises `TemplateProblem` when there has been too much."""
        self._steps -= steps
        self._visits += 1
        if self._steps < 0:
            raise source.problem(f"This takes more than {self._limits.steps:,} steps.", offset)
        if self._visits % _LOOKS_AT_THE_CLOCK == 0 and self._clock() > self._deadline:
            raise source.problem(f"This takes more than {self._limits.seconds:g} seconds.", offset)

    def enter(self, steps: int, source: Source, offset: int) -> None:
        """Begin with a block or partial within the one that is rendered."""
        self._depth -= 1
        if self._depth < 0:
            message = f"Blocks and partials are nested more than {self._limits.depth} levels deep here."
            raise source.problem(message, offset)
        self.spend(steps, source, offset)

    def leave(self) -> None:
        """End it."""
        self._depth += 1

    def write(self, text: str, source: Source, offset: int) -> None:
        """Add to the output."""
        self._characters -= len(text)
        if self._characters < 0:
            message = f"The output has more than {self._limits.characters:,} characters."
            raise source.problem(message, offset)
        self.out.append(text)


def _is_same(one: object, other: object) -> bool:
    if one is other or (one is NULL_CONTEXT and other is None):
        return True
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return False
    if isinstance(one, str) != isinstance(other, str):
        # what is no text is a number then; nothing else of JavaScript's `==` can be told apart here
        one, other = number_of(one), number_of(other)
    return one == other or (is_nothing(one) and is_nothing(other))
