"""The blocks: `if`, `unless`, `each`, `with`, and values used as blocks."""

from typing import Protocol, cast

from outrider.templates.handlebars.expressions import (
    BLOCK_HELPERS,
    Names,
    compile_call,
    compile_expression,
    compile_hash,
    compile_path,
    is_helper,
)
from outrider.templates.handlebars.nodes import Block, Call
from outrider.templates.handlebars.nodes import Program as ProgramNode
from outrider.templates.handlebars.programs import Program, Step, Value
from outrider.templates.handlebars.running import NULL_CONTEXT, Run, Scope
from outrider.templates.handlebars.values import is_empty, is_false, is_nothing, own_keys, text_of


class Programs(Names, Protocol):
    """What compiles the sides of a block."""

    def program(self, node: ProgramNode, offset: int) -> Program:
        """Compile a sequence of statements."""
        ...


def compile_block(programs: Programs, block: Block) -> Step:
    """Compile a block."""
    call = block.call
    name = call.target.parts[0] if call.target.parts else ""
    is_param = call.target.is_simple and programs.block_param(name) is not None
    if is_helper(call) and not is_param and name in BLOCK_HELPERS:
        if len(call.params) != 1:
            raise programs.source.problem(f"{name} takes exactly one argument.", call.offset)
        value = compile_expression(programs, call.params[0])
        first, second = _sides(programs, block)
        match name:
            case "if":
                return _if(programs, call, value, (first, second))
            case "unless":
                return _if(programs, call, value, (second, first))
            case "with":
                return _with(value, first, second)
            case _:
                return _each(value, first, second)
    if call.has_arguments or (is_helper(call) and not is_param):
        return _called(programs, block)
    value = compile_path(programs, call.target, is_required=True)
    return _value_as_block(value, *_sides(programs, block))


def _sides(programs: Programs, block: Block) -> tuple[Program | None, Program | None]:
    def side(node: ProgramNode | None) -> Program | None:
        return None if node is None else programs.program(node, block.call.offset)

    return side(block.program), side(block.inverse)


def _here(side: Program | None, scope: Scope, run: Run) -> None:
    """Render a helper's side with the context that is there; null is an empty object in it, as in Handlebars."""
    if side is not None and is_nothing(scope.context):
        side.inner(scope, run, NULL_CONTEXT)
    else:
        _stay(side, scope, run)


def _stay(side: Program | None, scope: Scope, run: Run) -> None:
    """Render a side with the context that is there."""
    if side is None:
        return
    if side.is_plain:
        side.run(scope, run)
    else:
        side.inner(scope, run, scope.context)


def _if(programs: Programs, call: Call, value: Value, sides: tuple[Program | None, Program | None]) -> Step:
    first, second = sides
    named = compile_hash(programs, call.hash)
    has_hash = bool(call.hash)

    def step(scope: Scope, run: Run) -> None:
        found = value(scope, run)
        is_true = not is_empty(found)
        if is_true and found == 0 and not isinstance(found, bool):
            is_true = has_hash and not is_false(named(scope, run).get("includeZero"))
        _here(first if is_true else second, scope, run)

    return step


def _with(value: Value, first: Program | None, second: Program | None) -> Step:
    def step(scope: Scope, run: Run) -> None:
        found = value(scope, run)
        if is_empty(found):
            _here(second, scope, run)
        elif first is not None:
            first.inner(scope, run, found, values=(found,))

    return step


def _each(value: Value, first: Program | None, second: Program | None) -> Step:
    def step(scope: Scope, run: Run) -> None:
        found = value(scope, run)
        if (type(found) is list or type(found) is dict) and found:
            if first is not None:
                _iterate(first, cast("list[object] | dict[str, object]", found), scope, run)
        else:
            _here(second, scope, run)

    return step


def _iterate(program: Program, items: "list[object] | dict[str, object]", scope: Scope, run: Run) -> None:
    is_object = isinstance(items, dict)
    run.spend(len(items) // 8, program.source, program.offset)
    keys: list[str] | range = own_keys(items) if isinstance(items, dict) else range(len(items))
    data = scope.data.inner()
    values = data.values
    last = len(keys) - 1
    for index, key in enumerate(keys):
        item = items[key]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]
        values["key"] = key
        values["index"] = index
        values["first"] = index == 0
        values["last"] = index == last
        program.inner(scope, run, item, data=data, values=(item, key if is_object else index))


def _value_as_block(value: Value, first: Program | None, second: Program | None) -> Step:
    """`{{#a}}`: over a list, with a value, or if it is true."""

    def step(scope: Scope, run: Run) -> None:
        found = value(scope, run)
        if found is True:
            _stay(first, scope, run)
        elif found is False or is_nothing(found) or (type(found) is list and not found):
            _stay(second, scope, run)
        elif first is None:
            return
        elif type(found) is list:
            _iterate(first, cast("list[object]", found), scope, run)
        else:
            first.inner(scope, run, found)

    return step


def _called(programs: Programs, block: Block) -> Step:
    """A block around what is no block helper: its value is written as it is."""
    value, source, offset = compile_call(programs, block.call), programs.source, block.call.offset
    _sides(programs, block)

    def step(scope: Scope, run: Run) -> None:
        run.write(text_of(value(scope, run)), source, offset)

    return step
