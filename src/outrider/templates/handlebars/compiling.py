"""The tree of a template compiled to steps."""

from typing import Final

from outrider.templates.handlebars.blocks import compile_block
from outrider.templates.handlebars.expressions import compile_call, compile_path, is_helper
from outrider.templates.handlebars.including import compile_partial
from outrider.templates.handlebars.nodes import (
    Block,
    Call,
    Comment,
    Content,
    InlinePartial,
    Literal,
    Mustache,
    Partial,
    PartialBlock,
    Statement,
)
from outrider.templates.handlebars.nodes import Program as ProgramNode
from outrider.templates.handlebars.parsing import parse
from outrider.templates.handlebars.problems import Source
from outrider.templates.handlebars.programs import Compiled, Program, Step
from outrider.templates.handlebars.running import Run, Scope
from outrider.templates.handlebars.values import escaped, text_of

LARGEST: Final = 256_000
"""How many characters a template may have."""


def compile_template(
    text: str, *, name: str | None = None, is_escaped: bool = True, is_strict: bool = False
) -> Compiled:
    """Compile a template; `name` is what problems call it. Raises `TemplateProblem`."""
    source = Source(text, name)
    if len(text) > LARGEST:
        raise source.problem(f"A template has at most {LARGEST:,} characters; this one has {len(text):,}.", 0)
    compiler = Compiler(source, is_escaped=is_escaped, is_strict=is_strict)
    program = compiler.program(parse(source), 0)
    return Compiled(program, frozenset(compiler.partials), len(text))


class Compiler:
    """Compiles one template; knows which block parameters are seen where."""

    def __init__(self, source: Source, *, is_escaped: bool, is_strict: bool) -> None:
        self.source = source
        self.is_escaped = is_escaped
        self.is_strict = is_strict
        self.partials: set[str] = set()
        self.cost = 0
        self._params: list[tuple[str, ...] | None] = []
        """Those of the blocks around, the innermost last; None stands for an inline partial."""

    def block_param(self, name: str) -> tuple[int, int] | None:
        """How many blocks with parameters up one of this name is, and which of theirs it is."""
        up = 0
        for names in reversed(self._params):
            if names is None:
                continue
            if name in names:
                return up, names.index(name)
            up += 1
        return None

    def is_beyond_inline(self, level: int) -> bool:
        """Whether an inline partial stands between here and the block that many up."""
        for names in reversed(self._params):
            if names is None:
                return True
            if level == 0:
                return False
            level -= 1
        return False

    def program(self, node: ProgramNode, offset: int) -> Program:
        """Compile a sequence of statements."""
        cost_around, self.cost = self.cost, 1
        if node.block_params:
            self._params.append(node.block_params)
        inlines: dict[str, Program] = {}
        steps: list[Step] = []
        for statement in node.body:
            self.cost += 1
            if isinstance(statement, InlinePartial):
                inlines[self._inline_name(statement.call)] = self._inline(statement)
            else:
                step = self._step(statement)
                if step is not None:
                    steps.append(step)
        if node.block_params:
            self._params.pop()
        cost, self.cost = self.cost, cost_around
        return Program(self.source, offset, tuple(steps), cost, bool(node.block_params), inlines)

    def _step(self, statement: Statement) -> Step | None:
        match statement:
            case Content(value=value):
                return self._content(value) if value else None
            case Mustache():
                return self._mustache(statement)
            case Block():
                return compile_block(self, statement)
            case Partial():
                return compile_partial(self, statement, None)
            case PartialBlock(partial=partial, program=program):
                return compile_partial(self, partial, program)
            case Comment() | InlinePartial():
                return None

    def _content(self, text: str) -> Step:
        source = self.source

        def step(_scope: Scope, run: Run) -> None:
            run.write(text, source, 0)

        return step

    def _mustache(self, statement: Mustache) -> Step:
        call, source = statement.call, self.source
        offset = call.offset
        is_value = not call.has_arguments and (not is_helper(call) or self._is_param(call))
        value = compile_path(self, call.target, is_required=True) if is_value else compile_call(self, call)
        if self.is_escaped and statement.is_escaped:

            def step(scope: Scope, run: Run) -> None:
                run.write(escaped(text_of(value(scope, run))), source, offset)
        else:

            def step(scope: Scope, run: Run) -> None:
                run.write(text_of(value(scope, run)), source, offset)

        return step

    def _is_param(self, call: Call) -> bool:
        return call.target.is_simple and self.block_param(call.target.parts[0]) is not None

    def _inline_name(self, call: Call) -> str:
        if len(call.params) != 1 or not isinstance(call.params[0], Literal):
            raise self.source.problem(
                'An inline partial is named by a text: {{#*inline "name"}}.', call.offset
            )
        return call.params[0].original

    def _inline(self, statement: InlinePartial) -> Program:
        self._params.append(None)
        program = self.program(statement.program, statement.call.offset)
        self._params.pop()
        return program
