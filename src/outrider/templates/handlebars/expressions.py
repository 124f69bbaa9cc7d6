"""Expressions compiled to functions that give their values."""

from collections.abc import Callable
from typing import Final, Protocol

from outrider.templates.handlebars.nodes import Call, Expression, Literal, Path
from outrider.templates.handlebars.problems import Source
from outrider.templates.handlebars.programs import Value
from outrider.templates.handlebars.running import Data, Levels, Params, Run, Scope
from outrider.templates.handlebars.values import MISSING, is_false, is_nothing, read, text_of

BLOCK_HELPERS: Final = frozenset({"if", "unless", "each", "with"})
VALUE_HELPERS: Final = frozenset({"lookup", "log"})
HELPERS: Final = BLOCK_HELPERS | VALUE_HELPERS
_INTERNAL: Final = frozenset({"helperMissing", "blockHelperMissing"})
"""Names that Handlebars keeps to itself."""


class Names(Protocol):
    """What compiling knows of where an expression stands."""

    source: Source
    is_strict: bool
    cost: int

    def block_param(self, name: str) -> tuple[int, int] | None:
        """How many blocks up a block parameter is, and which of theirs it is."""
        ...

    def is_beyond_inline(self, level: int) -> bool:
        """Whether an inline partial stands between here and the block that many up."""
        ...


def is_helper(call: Call) -> bool:
    """Whether the name stands for one of the helpers that there are."""
    target = call.target
    return target.is_simple and not target.is_data and target.parts[0] in HELPERS | _INTERNAL


def compile_expression(names: Names, expression: Expression) -> Value:
    """Compile an argument."""
    match expression:
        case Literal(value=value):
            return lambda _scope, _run: value
        case Path():
            return compile_path(names, expression, is_required=False)
        case Call():
            return compile_call(names, expression)


def compile_call(names: Names, call: Call) -> Value:
    """Compile what is called for its value: a helper's answer, or nothing where there is no such helper."""
    name = call.target.parts[0] if call.target.parts else ""
    if is_helper(call) and not _is_param(names, call.target):
        if name == "lookup":
            return _lookup(names, call)
        if name == "log":
            return _log(names, call)
        raise names.source.problem(f"{name} is a block helper.", call.offset)
    return _unknown_helper(names, call)


def compile_path(names: Names, path: Path, *, is_required: bool) -> Value:
    """Compile a path; a required one must be there if the template is strict."""
    names.cost += len(path.parts) + path.depth
    param = _param(names, path)
    if path.is_data:
        return _data_path(names, path, is_required=is_required)
    if param is not None:
        return _param_path(names, path, param)
    owner = _owner(path.depth)
    if not path.parts:
        return owner
    if names.is_strict:
        return _strict(names.source, path, owner, path.parts, is_required=is_required)
    if len(path.parts) > 1:
        return _longer(owner, path.parts)
    key = path.parts[0]
    if path.depth:
        return lambda scope, run: read(owner(scope, run), key)
    return lambda scope, _run: read(scope.context, key)


def _is_param(names: Names, path: Path) -> bool:
    return _param(names, path) is not None


def _param(names: Names, path: Path) -> tuple[int, int] | None:
    if path.is_data or path.depth or path.is_scoped or not path.parts:
        return None
    return names.block_param(path.parts[0])


def _owner(depth: int) -> Value:
    if depth == 0:
        return lambda scope, _run: scope.context

    def above(scope: Scope, _run: Run) -> object:
        level: Levels | None = scope.levels
        for _ in range(depth):
            level = level.outer if level is not None else None
        return MISSING if level is None else level.context

    return above


def _longer(owner: Value, parts: tuple[str, ...]) -> Value:
    def value(scope: Scope, run: Run) -> object:
        found = owner(scope, run)
        for part in parts:
            found = read(found, part)
        return found

    return value


def _strict(source: Source, path: Path, owner: Value, parts: tuple[str, ...], *, is_required: bool) -> Value:
    """Every owner on the way must be there, and what is required itself."""

    def value(scope: Scope, run: Run) -> object:
        found = owner(scope, run)
        for at, part in enumerate(parts, 1):
            inner = read(found, part)
            if inner is MISSING and (is_nothing(found) or (is_required and at == len(parts))):
                raise source.problem(f"{path.original[:100]} is not there: no {part[:100]!r}.", path.offset)
            found = inner
        return found

    return value


def _data_path(names: Names, path: Path, *, is_required: bool) -> Value:
    if not path.parts:
        return _nothing
    first, rest, depth = path.parts[0], path.parts[1:], path.depth
    source, is_strict = names.source, names.is_strict

    def value(scope: Scope, _run: Run) -> object:
        data: Data | None = scope.data
        for _ in range(depth):
            data = data.parent if data is not None else None
        if data is None and is_strict:
            raise source.problem(f"{path.original[:100]} is not there: nothing is that far up.", path.offset)
        found = MISSING if data is None else data.values.get(first, MISSING)
        for part in rest:
            if is_false(found):
                return found
            found = read(found, part)
        return found

    def required(scope: Scope, run: Run) -> object:
        found = value(scope, run)
        if found is MISSING:
            raise source.problem(f"{path.original[:100]} is not there.", path.offset)
        return found

    return required if is_strict and is_required else value


def _param_path(names: Names, path: Path, param: tuple[int, int]) -> Value:
    up, which = param
    rest, source = path.parts[1:], names.source
    if names.is_beyond_inline(up):

        def beyond(_scope: Scope, _run: Run) -> object:
            name = path.parts[0][:100]
            message = f"{name} is a block parameter from outside, which an inline partial does not see."
            raise source.problem(message, path.offset)

        return beyond

    def value(scope: Scope, _run: Run) -> object:
        params: Params | None = scope.params
        for _ in range(up):
            params = params.outer if params is not None else None
        values = params.values if params is not None else None
        found = values[which] if values is not None and which < len(values) else MISSING
        for part in rest:
            found = read(found, part)
        return found

    return value


def _lookup(names: Names, call: Call) -> Value:
    if len(call.params) < 1:
        raise names.source.problem("lookup needs an object and a key.", call.offset)
    arguments = [compile_expression(names, one) for one in call.params]
    owner, key = arguments[0], arguments[1] if len(arguments) > 1 else _nothing
    source, offset = names.source, call.offset

    def value(scope: Scope, run: Run) -> object:
        found, wanted = owner(scope, run), key(scope, run)
        if is_false(found):
            return found
        return read(found, wanted if type(wanted) is str else key_text(wanted, run, source, offset))

    return value


def key_text(value: object, run: Run, source: Source, offset: int) -> str:
    """Write what stands for a key."""
    if is_nothing(value):
        return "null" if value is None else "undefined"
    text = text_of(value)
    run.spend(len(text) // 16, source, offset)
    return text


def _log(names: Names, call: Call) -> Value:
    arguments = [compile_expression(names, one) for one in call.params]

    def value(scope: Scope, run: Run) -> object:
        for argument in arguments:
            argument(scope, run)
        return MISSING

    return value


def _nothing(_scope: Scope, _run: Run) -> object:
    return MISSING


def _unknown_helper(names: Names, call: Call) -> Value:
    """What is called like a helper and is none: nothing without arguments, otherwise a mistake."""
    target, source = call.target, names.source
    name = target.original[:100]
    if is_helper(call) and target.parts[0] in _INTERNAL:
        raise source.problem(f"There is no helper {name}.", call.offset)
    value = compile_path(names, target, is_required=True)
    for one in (*call.params, *(one for _, one in call.hash)):
        compile_expression(names, one)

    def unknown(scope: Scope, run: Run) -> object:
        if not is_false(value(scope, run)):
            raise source.problem(f"{name} is a value, no helper: it takes no arguments.", call.offset)
        if call.params:
            raise source.problem(f"There is no helper {name}.", call.offset)
        return MISSING

    return unknown


def compile_hash(
    names: Names, pairs: tuple[tuple[str, Expression], ...]
) -> Callable[[Scope, Run], dict[str, object]]:
    """Compile `a=1 b=c`. What is given is there, even if it is nothing, unless it says `undefined`."""
    compiled = [
        (name, compile_expression(names, one))
        for name, one in pairs
        if not (isinstance(one, Literal) and one.value is MISSING)
    ]

    def values(scope: Scope, run: Run) -> dict[str, object]:
        given = {name: value(scope, run) for name, value in compiled}
        return {name: None if value is MISSING else value for name, value in given.items()}

    return values
