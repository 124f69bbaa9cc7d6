"""Partials: templates, inline partials and the contents of partial blocks, rendered in place of a tag."""

from collections.abc import Callable
from typing import Final

from outrider.templates.handlebars.blocks import Programs
from outrider.templates.handlebars.expressions import compile_expression, compile_hash, key_text
from outrider.templates.handlebars.nodes import Call, Partial
from outrider.templates.handlebars.nodes import Program as ProgramNode
from outrider.templates.handlebars.problems import Source
from outrider.templates.handlebars.programs import Compiled, Program, Step, Value
from outrider.templates.handlebars.running import BlockBody, Data, InlineBody, Run, Scope
from outrider.templates.handlebars.values import is_false, spread

PARTIAL_BLOCK: Final = "partial-block"
_Target = Compiled | InlineBody | BlockBody


class Includes(Programs):
    """What compiles templates that name partials."""

    partials: set[str]


def compile_partial(programs: "Includes", partial: Partial, block: ProgramNode | None) -> Step:
    """Compile `{{> name}}`, or with a block `{{#> name}}`."""
    source, offset, indent = programs.source, partial.offset, partial.indent
    name = _name(programs, partial)
    context = _context(programs, partial)
    content = programs.program(block, offset) if block is not None else None

    def step(scope: Scope, run: Run) -> None:
        run.spend(1, source, offset)
        wanted, given = name(scope, run), context(scope, run)
        data, body = scope.data, None
        known = inlines = scope.container.partials
        if content is not None:
            around = data.values.get(PARTIAL_BLOCK)
            data = data.inner()
            body = data.values[PARTIAL_BLOCK] = BlockBody(content, scope, around)
            if content.inlines:
                inlines = inlines | content.bodies(scope)
        target = _found(wanted, scope, run, known) or body
        if target is None:
            shown = (wanted or "")[:100]
            raise source.problem(f"There is no partial {shown}.", offset)
        if indent:
            _indented(indent, run, lambda: _render(target, given, data, inlines, run), source, offset)
        else:
            _render(target, given, data, inlines, run)

    return step


def _name(programs: "Includes", partial: Partial) -> Callable[[Scope, Run], str | None]:
    if not isinstance(partial.name, Call):
        name = partial.name.original
        if not name.startswith("@"):
            programs.partials.add(name)
        return lambda _scope, _run: name
    value, source, offset = compile_expression(programs, partial.name), programs.source, partial.offset

    def dynamic(scope: Scope, run: Run) -> str | None:
        found = value(scope, run)
        return None if is_false(found) else key_text(found, run, source, offset)

    return dynamic


def _context(programs: "Includes", partial: Partial) -> Value:
    given = compile_expression(programs, partial.params[0]) if partial.params else _own_context
    if not partial.hash:
        return given
    named, source, offset = compile_hash(programs, partial.hash), programs.source, partial.offset

    def value(scope: Scope, run: Run) -> object:
        context = given(scope, run)
        if isinstance(context, dict | list | str):
            run.spend(len(context) // 8, source, offset)  # pyright: ignore[reportUnknownArgumentType]
        return spread(context) | named(scope, run)

    return value


def _own_context(scope: Scope, _run: Run) -> object:
    return scope.context


def _found(name: str | None, scope: Scope, run: Run, inlines: dict[str, InlineBody]) -> "_Target | None":
    if name is None:
        return None
    if name in inlines:
        return inlines[name]
    if name == f"@{PARTIAL_BLOCK}":
        body = scope.data.values.get(PARTIAL_BLOCK)
        return body if isinstance(body, BlockBody) else None
    return run.load(name)


def _render(target: _Target, context: object, data: Data, inlines: dict[str, InlineBody], run: Run) -> None:
    match target:
        case Compiled():
            target.run(context, data, inlines, run)
        case InlineBody(program=program, scope=scope):
            _within(program, scope, run, context, data)
        case BlockBody(program=program, scope=scope, around=around):
            data = data.inner()
            data.values[PARTIAL_BLOCK] = around
            _within(program, scope, run, context, data)


def _within(program: Program, scope: Scope, run: Run, context: object, data: Data) -> None:
    program.inner(scope, run, context, data=data)


def _indented(indent: str, run: Run, render: Callable[[], None], source: Source, offset: int) -> None:
    """Render with an indent before each line, but after the last line's end."""
    kept, run.out = run.out, []
    render()
    lines = "".join(run.out).split("\n")
    run.out = kept
    ends_line = not lines[-1]
    shown = [indent + line for line in (lines[:-1] if ends_line else lines)]
    run.write("\n".join([*shown, ""] if ends_line else shown), source, offset)
