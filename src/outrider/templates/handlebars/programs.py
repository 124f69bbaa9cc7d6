"""Compiled templates: sequences of steps that are run in a scope."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from outrider.templates.handlebars.problems import Source
from outrider.templates.handlebars.running import (
    Container,
    Data,
    InlineBody,
    Levels,
    Limits,
    Params,
    Run,
    Scope,
)
from outrider.templates.handlebars.values import MISSING

Value = Callable[[Scope, Run], object]
Step = Callable[[Scope, Run], None]


@dataclass(slots=True)
class Program:
    """A sequence of steps, what it costs, and the inline partials that stand in it."""

    source: Source
    offset: int
    steps: tuple[Step, ...] = ()
    cost: int = 1
    has_params: bool = False
    inlines: "Mapping[str, Program]" = field(default_factory=dict[str, "Program"])

    @property
    def is_plain(self) -> bool:
        """Whether it can be run in the very scope of what is around it."""
        return not self.has_params and not self.inlines

    def run(self, scope: Scope, run: Run) -> None:
        """Run the steps in a scope of their own."""
        run.enter(self.cost, self.source, self.offset)
        for step in self.steps:
            step(scope, run)
        run.leave()

    def inner(
        self,
        outer: Scope,
        run: Run,
        context: object,
        *,
        data: Data | None = None,
        values: tuple[object, ...] | None = None,
    ) -> None:
        """Run the steps as the content of a block that stands in the outer scope."""
        params = Params(values or (), outer.params) if self.has_params else None
        scope = outer.inner(context, data, params)
        if not self.inlines:
            self.run(scope, run)
            return
        container = scope.container
        kept = container.partials
        container.partials = kept | self.bodies(outer)
        self.run(scope, run)
        container.partials = kept

    def bodies(self, outer: Scope) -> dict[str, InlineBody]:
        """The inline partials of this program, which stands in the outer scope."""
        return {name: InlineBody(program, outer) for name, program in self.inlines.items()}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that can be rendered, any number of times, by any number of threads."""

    program: Program
    partials: frozenset[str]
    """The names of partials that stand in it; those of dynamic ones are found when it is rendered."""
    size: int

    def render(self, context: object, load: "Callable[[str], Compiled | None]", limits: Limits) -> str:
        """Render with a context; `load` gives partials. Raises `TemplateProblem`."""
        run = Run(load, limits)
        self.run(context, Data({"root": context}), {}, run)
        return "".join(run.out)

    def run(self, context: object, data: Data, partials: dict[str, InlineBody], run: Run) -> None:
        """Run it as the partial of a rendering that is under way."""
        container = Container(partials)
        scope = Scope(context, Levels(context, None), data, None, container)
        if self.program.inlines:
            # those at the top of a template have no levels above them
            outside = Scope(MISSING, Levels(MISSING, None), data, None, container)
            container.partials = partials | self.program.bodies(outside)
        self.program.run(scope, run)
