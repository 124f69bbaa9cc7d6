"""Tokens read into a tree, by the grammar of Handlebars 4."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

from outrider.templates.handlebars.lexing import Kind, Token, tokens_of
from outrider.templates.handlebars.nodes import (
    NO_STRIP,
    Block,
    Call,
    Comment,
    Content,
    Expression,
    InlinePartial,
    Literal,
    Mustache,
    Partial,
    PartialBlock,
    Path,
    Program,
    Statement,
    Strip,
)
from outrider.templates.handlebars.problems import Source, TemplateProblem
from outrider.templates.handlebars.values import MISSING
from outrider.templates.handlebars.whitespace import control_whitespace

DEEPEST: Final = 80
"""How deeply blocks and subexpressions may stand in each other; each `else if` of a block is a level, too."""
_SCOPED: Final = re.compile(r"^\.|this\b")
_PROGRAM_ENDS: Final = frozenset({Kind.OPEN_END, Kind.INVERSE, Kind.OPEN_CHAIN, Kind.END})
_ARGUMENT_STARTS: Final = frozenset(
    {
        Kind.NAME,
        Kind.DATA,
        Kind.STRING,
        Kind.NUMBER,
        Kind.BOOLEAN,
        Kind.UNDEFINED,
        Kind.NULL,
        Kind.OPEN_SEXPR,
    }
)
_LITERALS: Final = _ARGUMENT_STARTS - {Kind.NAME, Kind.DATA, Kind.OPEN_SEXPR}
T = TypeVar("T")


def parse(source: Source) -> Program:
    """Read a template, with whitespace control applied; raises `TemplateProblem`."""
    program = _Parser(source).template()
    control_whitespace(program)
    return program


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = list(tokens_of(source))
        self._at = 0
        self._depth = 0

    def template(self) -> Program:
        program = self._program()
        if self._next.kind is not Kind.END:
            raise self._unexpected(self._next)
        return program

    # --- statements

    def _program(self) -> Program:
        body: list[Statement] = []
        while self._next.kind not in _PROGRAM_ENDS:
            body.append(self._statement())
        return Program(body)

    def _statement(self) -> Statement:
        token = self._take()
        match token.kind:
            case Kind.CONTENT:
                return Content(token.text)
            case Kind.COMMENT:
                return Comment(_strip(token.text, token.text))
            case Kind.OPEN | Kind.OPEN_UNESCAPED:
                return self._mustache(token)
            case Kind.OPEN_PARTIAL:
                return self._partial(token)
            case Kind.OPEN_PARTIAL_BLOCK:
                return self._nested(token, lambda: self._partial_block(token))
            case Kind.OPEN_BLOCK | Kind.OPEN_INVERSE:
                return self._nested(token, lambda: self._block(token))
            case Kind.OPEN_RAW:
                return self._raw_block(token)
            case _:
                raise self._unexpected(token)

    def _mustache(self, opening: Token) -> Mustache:
        if opening.text.endswith("*"):
            raise self._source.problem("There are no decorators but {{#*inline}}.", opening.offset)
        call = self._call()
        is_triple = opening.kind is Kind.OPEN_UNESCAPED
        closing = self._expect(Kind.CLOSE_UNESCAPED if is_triple else Kind.CLOSE)
        is_escaped = not is_triple and not opening.text.endswith("&")
        return Mustache(call, is_escaped, _strip(opening.text, closing.text))

    def _partial(self, opening: Token) -> Partial:
        name = self._sub_expression() if self._next.kind is Kind.OPEN_SEXPR else self._head()
        params, named = self._arguments()
        closing = self._expect(Kind.CLOSE)
        if len(params) > 1:
            raise self._source.problem("A partial takes one context at most.", opening.offset)
        return Partial(name, params, named, _strip(opening.text, closing.text), opening.offset)

    def _partial_block(self, opening: Token) -> PartialBlock:
        partial = self._partial(opening)
        program = self._program()
        name = None if isinstance(partial.name, Call) else partial.name.original
        return PartialBlock(partial, program, partial.strip, self._end_of_block(name, opening))

    def _raw_block(self, opening: Token) -> Block:
        call = self._call()
        self._expect(Kind.CLOSE_RAW)
        body: list[Statement] = []
        while self._next.kind is Kind.CONTENT:
            body.append(Content(self._take().text))
        closing = self._expect(Kind.END_RAW)
        if closing.text[5:-4] != call.target.original:
            raise self._mismatch(call.target.original, closing.text[5:-4], opening)
        return Block(call, Program(body), None, NO_STRIP, NO_STRIP, NO_STRIP)

    def _block(self, opening: Token) -> Block | InlinePartial:
        call, params, strip = self._block_head(opening)
        program = self._program()
        program.block_params = params
        is_inverted = opening.kind is Kind.OPEN_INVERSE
        inverse, inverse_strip = self._inverse(is_chain_allowed=not is_inverted)
        close_strip = self._end_of_block(call.target.original, opening)
        if opening.text.endswith("*"):
            if inverse is not None or call.target.original != "inline":
                raise self._source.problem(
                    "Only {{#*inline}} is a decorator, and it has no else.", opening.offset
                )
            return InlinePartial(call, program, strip, close_strip)
        _close_chain(inverse, close_strip)
        first, second = (inverse, program) if is_inverted else (program, inverse)
        return Block(call, first, second, strip, inverse_strip, close_strip)

    def _block_head(self, opening: Token) -> tuple[Call, tuple[str, ...], Strip]:
        call = self._call()
        names: list[str] = []
        if self._next.kind is Kind.OPEN_PARAMS:
            self._take()
            while self._next.kind is Kind.NAME:
                names.append(_unbracketed(self._take().text))
            closing = self._expect(Kind.CLOSE_PARAMS)
            if not names:
                raise self._unexpected(closing)
        return call, tuple(names), _strip(opening.text, self._expect(Kind.CLOSE).text)

    def _inverse(self, *, is_chain_allowed: bool) -> tuple[Program | None, Strip]:
        """What stands behind `else`: a program, or a chain of blocks, the innermost last."""
        links: list[tuple[Call, Strip, Program]] = []
        while is_chain_allowed and self._next.kind is Kind.OPEN_CHAIN:
            opening = self._take()
            self._go_deeper(opening)
            call, params, strip = self._block_head(opening)
            program = self._program()
            program.block_params = params
            links.append((call, strip, program))
        inverse, inverse_strip = None, NO_STRIP
        if self._next.kind is Kind.INVERSE:
            token = self._take()
            inverse, inverse_strip = self._program(), _strip(token.text, token.text)
        self._depth -= len(links)
        for call, strip, program in reversed(links):
            block = Block(call, program, inverse, strip, inverse_strip, inverse_strip)
            inverse, inverse_strip = Program([block], is_chained=True), strip
        return inverse, inverse_strip

    def _end_of_block(self, name: str | None, opening: Token) -> Strip:
        if self._next.kind is Kind.END:
            raise self._source.problem(f"The block {name or ''} does not end.", opening.offset)
        start = self._expect(Kind.OPEN_END)
        target = self._head()
        if target.original != name:
            raise self._mismatch(name, target.original, opening)
        return _strip(start.text, self._expect(Kind.CLOSE).text)

    # --- expressions

    def _call(self) -> Call:
        target = self._head()
        if isinstance(target, Literal):
            target = Path((target.original,), target.original, target.offset)
        params, named = self._arguments()
        return Call(target, target.offset, params, named)

    def _arguments(self) -> tuple[tuple[Expression, ...], tuple[tuple[str, Expression], ...]]:
        params: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        while self._next.kind in _ARGUMENT_STARTS and not self._is_named:
            params.append(self._argument())
        while self._is_named:
            name = self._take()
            self._take()
            if self._next.kind not in _ARGUMENT_STARTS:
                raise self._unexpected(self._next)
            named.append((_unbracketed(name.text), self._argument()))
        return tuple(params), tuple(named)

    @property
    def _is_named(self) -> bool:
        return self._next.kind is Kind.NAME and self._tokens[self._at + 1].kind is Kind.EQUALS

    def _argument(self) -> Expression:
        return self._sub_expression() if self._next.kind is Kind.OPEN_SEXPR else self._head()

    def _sub_expression(self) -> Call:
        opening = self._expect(Kind.OPEN_SEXPR)
        call = self._nested(opening, self._call)
        self._expect(Kind.CLOSE_SEXPR)
        return call

    def _head(self) -> Path | Literal:
        token = self._take()
        if token.kind in _LITERALS:
            return _literal(token)
        if token.kind is Kind.DATA:
            return self._path(self._expect(Kind.NAME), is_data=True)
        if token.kind is Kind.NAME:
            return self._path(token, is_data=False)
        raise self._unexpected(token)

    def _path(self, first: Token, *, is_data: bool) -> Path:
        parts: list[str] = []
        original, depth, name, separator = "@" if is_data else "", 0, first, ""
        while True:
            part = _unbracketed(name.text)
            original += separator + part
            if part == name.text and part in {"..", ".", "this"}:
                if parts:
                    raise self._source.problem(f"Invalid path: {original[:100]}", first.offset)
                depth += part == ".."
            else:
                parts.append(part)
            if self._next.kind is not Kind.SEPARATOR:
                break
            separator = self._take().text
            name = self._expect(Kind.NAME)
        is_scoped = _SCOPED.search(original) is not None
        return Path(tuple(parts), original, first.offset, depth, is_data, is_scoped)

    # --- tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def _expect(self, kind: Kind) -> Token:
        token = self._take()
        if token.kind is not kind:
            raise self._source.problem(f"{kind.value} is expected here, not {_shown(token)}.", token.offset)
        return token

    def _nested(self, opening: Token, read: Callable[[], T]) -> T:
        self._go_deeper(opening)
        found = read()
        self._depth -= 1
        return found

    def _go_deeper(self, opening: Token) -> None:
        if self._depth == DEEPEST:
            raise self._source.problem(f"This is nested more than {DEEPEST} levels deep.", opening.offset)
        self._depth += 1

    def _unexpected(self, token: Token) -> TemplateProblem:
        return self._source.problem(f"{_shown(token)} cannot stand here.", token.offset)

    def _mismatch(self, name: str | None, ended: str, opening: Token) -> TemplateProblem:
        opened = (name or "A dynamic partial")[:100]
        return self._source.problem(f"{opened} is ended by {ended[:100]}.", opening.offset)


def _close_chain(inverse: Program | None, close_strip: Strip) -> None:
    """The end of a block is that of the first block of its chain, too."""
    if inverse is not None and inverse.is_chained:
        first = inverse.body[0]
        assert isinstance(first, Block)
        first.close_strip = close_strip


def _literal(token: Token) -> Literal:
    value: object = token.text
    match token.kind:
        case Kind.NUMBER:
            value = float(token.text) if "." in token.text or len(token.text) > 15 else int(token.text)
        case Kind.BOOLEAN:
            value = token.text == "true"
        case Kind.NULL:
            value = None
        case Kind.UNDEFINED:
            value = MISSING
        case _:
            pass
    return Literal(value, token.text, token.offset)


def _strip(opening: str, closing: str) -> Strip:
    return Strip(opening[2:3] == "~", closing[-3:-2] == "~")


def _unbracketed(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _shown(token: Token) -> str:
    return token.kind.value if token.kind is Kind.END else repr(token.text[:40])
