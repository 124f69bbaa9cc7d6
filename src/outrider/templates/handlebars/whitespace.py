"""Whitespace control: tildes, and tags that stand alone on their lines, as Handlebars 4 treats them.

Text is only looked at from its ends, so this stays linear, whatever a template consists of.
"""

from outrider.templates.handlebars.lexing import WHITESPACE
from outrider.templates.handlebars.nodes import (
    Block,
    Comment,
    Content,
    InlinePartial,
    Mustache,
    Partial,
    PartialBlock,
    Program,
    Statement,
    Strip,
)


class _Stripping:
    """What a statement asks of the text around it."""

    __slots__ = ("closes_alone", "opens_alone", "stands_alone", "strip")

    def __init__(
        self,
        strip: Strip,
        *,
        opens_alone: bool = False,
        closes_alone: bool = False,
        stands_alone: bool = False,
    ) -> None:
        self.strip = strip
        self.opens_alone = opens_alone
        self.closes_alone = closes_alone
        self.stands_alone = stands_alone


def control_whitespace(program: Program, *, is_root: bool = True) -> None:
    """Strip the contents of a template, and give indents to partials."""
    body = program.body
    for at, statement in enumerate(body):
        stripping = _stripping_of(statement)
        if stripping is None:
            continue
        is_after_blank = _is_blank_before(body, at, is_root=is_root)
        is_before_blank = _is_blank_after(body, at, is_root=is_root)
        if stripping.strip.close:
            _strip_next(body, at + 1, is_all=True)
        if stripping.strip.open:
            _strip_previous(body, at - 1, is_all=True)
        if stripping.stands_alone and is_after_blank and is_before_blank:
            _strip_next(body, at + 1)
            if _strip_previous(body, at - 1) and isinstance(statement, Partial):
                previous = body[at - 1]
                assert isinstance(previous, Content)
                statement.indent = _indent_of(previous.original)
        if stripping.opens_alone and is_after_blank:
            _strip_next(_first_side(statement).body, 0)
            _strip_previous(body, at - 1)
        if stripping.closes_alone and is_before_blank:
            _strip_next(body, at + 1)
            last = _last_side(statement).body
            _strip_previous(last, len(last) - 1)


def _stripping_of(statement: Statement) -> _Stripping | None:
    match statement:
        case Content():
            return None
        case Mustache():
            return _Stripping(statement.strip)
        case Comment() | Partial():
            return _Stripping(statement.strip, stands_alone=True)
        case Block() | InlinePartial() | PartialBlock():
            return _within(statement)


def _within(block: Block | InlinePartial | PartialBlock) -> _Stripping:
    """Strip what is in a block, and tell what its tags ask outside of it."""
    other = block.inverse if isinstance(block, Block) else None
    for side in (block.program, other):
        if side is not None:
            control_whitespace(side, is_root=False)
    program = block.program if block.program is not None else other
    assert program is not None
    inverse = other if block.program is not None else None
    first_inverse = last_inverse = inverse
    if inverse is not None and inverse.is_chained:
        first_inverse = _program_of(inverse.body[0])
        while last_inverse is not None and last_inverse.is_chained:
            last_inverse = _program_of(last_inverse.body[-1])
    last = first_inverse if first_inverse is not None else program
    stripping = _Stripping(
        Strip(block.open_strip.open, block.close_strip.close),
        opens_alone=_is_blank_after(program.body, -1, is_root=False),
        closes_alone=_is_blank_before(last.body, len(last.body), is_root=False),
    )
    if block.open_strip.close:
        _strip_next(program.body, 0, is_all=True)
    if isinstance(block, Block) and first_inverse is not None and last_inverse is not None:
        _around_else(block, program, first_inverse, last_inverse)
    elif block.close_strip.open:
        _strip_previous(program.body, len(program.body) - 1, is_all=True)
    return stripping


def _around_else(block: Block, program: Program, first: Program, last: Program) -> None:
    if block.inverse_strip.open:
        _strip_previous(program.body, len(program.body) - 1, is_all=True)
    if block.inverse_strip.close:
        _strip_next(first.body, 0, is_all=True)
    if block.close_strip.open:
        _strip_previous(last.body, len(last.body) - 1, is_all=True)
    if _is_blank_before(program.body, len(program.body), is_root=False) and _is_blank_after(
        first.body, -1, is_root=False
    ):
        _strip_previous(program.body, len(program.body) - 1)
        _strip_next(first.body, 0)


def _program_of(statement: Statement) -> Program | None:
    assert isinstance(statement, Block)
    return statement.program


def _first_side(statement: Statement) -> Program:
    assert isinstance(statement, Block | InlinePartial | PartialBlock)
    side = statement.program
    if side is None and isinstance(statement, Block):
        side = statement.inverse
    assert side is not None
    return side


def _last_side(statement: Statement) -> Program:
    if isinstance(statement, Block) and statement.inverse is not None:
        return statement.inverse
    return _first_side(statement)


def _is_blank_before(body: list[Statement], at: int, *, is_root: bool) -> bool:
    """Whether nothing but blanks stands between a place and the beginning of its line."""
    previous = body[at - 1] if at >= 1 else None
    if previous is None:
        return is_root
    if not isinstance(previous, Content):
        return False
    text = previous.original
    blanks = text[len(text.rstrip(WHITESPACE)) :]
    return "\n" in blanks or (is_root and at == 1 and len(blanks) == len(text))


def _is_blank_after(body: list[Statement], at: int, *, is_root: bool) -> bool:
    """Whether nothing but blanks stands between a place and the end of its line."""
    if at + 1 >= len(body):
        return is_root
    following = body[at + 1]
    if not isinstance(following, Content):
        return False
    text = following.original
    blanks = text[: len(text) - len(text.lstrip(WHITESPACE))]
    return "\n" in blanks or (is_root and at + 2 == len(body) and len(blanks) == len(text))


def _strip_next(body: list[Statement], at: int, *, is_all: bool = False) -> None:
    """Take blanks from the beginning of a content: all of them, or the rest of a line."""
    content = body[at] if 0 <= at < len(body) else None
    if not isinstance(content, Content) or (content.is_right_stripped and not is_all):
        return
    if is_all:
        stripped = content.value.lstrip(WHITESPACE)
    else:
        stripped = content.value.lstrip(" \t").removeprefix("\r")
        stripped = stripped.removeprefix("\n")
    content.is_right_stripped = stripped != content.value
    content.value = stripped


def _strip_previous(body: list[Statement], at: int, *, is_all: bool = False) -> bool:
    """Take blanks from the end of a content: all of them, or an indent; tells whether there were any."""
    content = body[at] if 0 <= at < len(body) else None
    if not isinstance(content, Content) or (content.is_left_stripped and not is_all):
        return False
    stripped = content.value.rstrip(WHITESPACE if is_all else " \t")
    content.is_left_stripped = stripped != content.value
    content.value = stripped
    return content.is_left_stripped


def _indent_of(text: str) -> str:
    return text[len(text.rstrip(" \t")) :]
