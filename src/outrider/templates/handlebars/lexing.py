"""Templates cut into tokens, by the rules of Handlebars 4: which of several readings a tag has depends on their order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from outrider.templates.handlebars.problems import Source

WHITESPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What counts as blank: not quite what Python counts."""
_S: Final = f"[{WHITESPACE}]"
_ID: Final = rf"[^{WHITESPACE}!\"#%-,./;->@\[-^`{{-~]+"
_AFTER_NAME: Final = rf"(?=[=~}}{WHITESPACE}/.)|])"
_AFTER_LITERAL: Final = rf"(?=[~}}{WHITESPACE})])"


class Kind(StrEnum):
    """The kinds of tokens."""

    CONTENT = "text"
    COMMENT = "comment"
    OPEN_SEXPR = "("
    CLOSE_SEXPR = ")"
    OPEN_RAW = "{{{{"
    CLOSE_RAW = "}}}}"
    END_RAW = "the end of a raw block"
    OPEN_PARTIAL = "{{>"
    OPEN_PARTIAL_BLOCK = "{{#>"
    OPEN_BLOCK = "{{#"
    OPEN_END = "{{/"
    INVERSE = "{{else}}"
    OPEN_INVERSE = "{{^"
    OPEN_CHAIN = "{{else …"
    OPEN_UNESCAPED = "{{{"
    OPEN = "{{"
    EQUALS = "="
    SEPARATOR = "/ or ."
    CLOSE_UNESCAPED = "}}}"
    CLOSE = "}}"
    STRING = "a quoted text"
    DATA = "@"
    BOOLEAN = "true or false"
    UNDEFINED = "undefined"
    NULL = "null"
    NUMBER = "a number"
    OPEN_PARAMS = "as |"
    CLOSE_PARAMS = "|"
    NAME = "a name"
    END = "the end of the template"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template; `offset` is where it begins."""

    kind: Kind
    text: str
    offset: int


_RULES: Final[tuple[tuple[str, str], ...]] = (
    ("OPEN_SEXPR", r"\("),
    ("CLOSE_SEXPR", r"\)"),
    ("OPEN_RAW", r"\{\{\{\{"),
    ("CLOSE_RAW", r"\}\}\}\}"),
    ("OPEN_PARTIAL", r"\{\{~?>"),
    ("OPEN_PARTIAL_BLOCK", r"\{\{~?#>"),
    ("OPEN_BLOCK", r"\{\{~?#\*?"),
    ("OPEN_END", r"\{\{~?/"),
    ("INVERSE", rf"\{{\{{~?(?:\^{_S}*|{_S}*else{_S}*)~?\}}\}}"),
    ("OPEN_INVERSE", r"\{\{~?\^"),
    ("OPEN_CHAIN", rf"\{{\{{~?{_S}*else\b"),
    ("OPEN_UNESCAPED", r"\{\{~?\{"),
    ("OPEN_AMPERSAND", r"\{\{~?&"),
    ("LONG_COMMENT", r"\{\{~?!--"),
    ("COMMENT", r"\{\{~?!"),
    ("OPEN", r"\{\{~?\*?"),
    ("EQUALS", "="),
    ("UP", r"\.\."),
    ("HERE", rf"\.{_AFTER_NAME}"),
    ("SEPARATOR", "[/.]"),
    ("BLANK", f"{_S}+"),
    ("CLOSE_UNESCAPED", r"\}~?\}\}"),
    ("CLOSE", r"~?\}\}"),
    ("DOUBLE_QUOTED", r'"(?:\\"|[^"])*"'),
    ("SINGLE_QUOTED", r"'(?:\\'|[^'])*'"),
    ("DATA", "@"),
    ("BOOLEAN", rf"(?:true|false){_AFTER_LITERAL}"),
    ("UNDEFINED", rf"undefined{_AFTER_LITERAL}"),
    ("NULL", rf"null{_AFTER_LITERAL}"),
    ("NUMBER", rf"-?[0-9]+(?:\.[0-9]+)?{_AFTER_LITERAL}"),
    ("OPEN_PARAMS", rf"as{_S}+\|"),
    ("CLOSE_PARAMS", r"\|"),
    ("NAME", _ID + _AFTER_NAME),
    ("BRACKETED", r"\[(?:\\\]|[^\]])*\]"),
)
_TAG: Final = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _RULES))
_ENDS_TAG: Final = frozenset({"CLOSE", "CLOSE_UNESCAPED", "INVERSE"})
_SAME: Final = {"OPEN_AMPERSAND": Kind.OPEN, "UP": Kind.NAME, "HERE": Kind.NAME}
_NEXT_TAG: Final = re.compile(r"\\{0,2}\{\{")
_LONG_COMMENT_END: Final = re.compile(r"--~?\}\}")
_RAW_END: Final = re.compile(rf"\{{\{{\{{\{{/({_ID})(?=[=}}{WHITESPACE}/.])\}}\}}\}}\}}")


def tokens_of(source: Source) -> Iterator[Token]:
    """Cut a template into tokens; the last is `END`. Raises `TemplateProblem`."""
    text, at, length = source.text, 0, len(source.text)
    while at < length:
        opening = text.find("{{", at)
        content = text[at:] if opening < 0 else text[at:opening]
        is_shown = False
        if opening >= 0 and content.endswith("\\"):
            # one backslash: the tag is text; two: they are one backslash, and the tag is a tag
            is_shown = not content.endswith("\\\\")
            content = content[:-1]
        if content:
            yield Token(Kind.CONTENT, content, at)
        if opening < 0:
            break
        if is_shown:
            following = _NEXT_TAG.search(text, opening + 2)
            at = following.start() if following else length
            yield Token(Kind.CONTENT, text[opening:at], opening)
            continue
        at = opening
        while True:
            token, at, goes_on = _next_in_tag(source, at)
            if token is not None:
                yield token
            if token is not None and token.kind is Kind.CLOSE_RAW:
                for raw in _raw(source, at):
                    at = raw.offset + len(raw.text)
                    yield raw
                break
            if not goes_on:
                break
    yield Token(Kind.END, "", length)


def _next_in_tag(source: Source, at: int) -> tuple[Token | None, int, bool]:
    """The token at a place within a tag, where the next one begins, and whether that is within the tag still."""
    found = _TAG.match(source.text, at)
    if found is None:
        what = "The template ends within a tag." if at >= len(source.text) else "This cannot stand here."
        raise source.problem(what, at)
    rule, end = found.lastgroup or "", found.end()
    match rule:
        case "BLANK":
            return None, end, True
        case "COMMENT" | "LONG_COMMENT":
            end = _end_of_comment(source, at, is_long=rule == "LONG_COMMENT")
            return Token(Kind.COMMENT, source.text[at:end], at), end, False
        case "DOUBLE_QUOTED":
            return Token(Kind.STRING, found.group()[1:-1].replace('\\"', '"'), at), end, True
        case "SINGLE_QUOTED":
            return Token(Kind.STRING, found.group()[1:-1].replace("\\'", "'"), at), end, True
        case "BRACKETED":
            return Token(Kind.NAME, re.sub(r"\\([\\\]])", r"\1", found.group()), at), end, True
        case _:
            kind = _SAME.get(rule) or Kind[rule]
            return Token(kind, found.group(), at), end, rule not in _ENDS_TAG


def _end_of_comment(source: Source, at: int, *, is_long: bool) -> int:
    if is_long:
        found = _LONG_COMMENT_END.search(source.text, at)
        end = found.end() if found else -1
    else:
        end = source.text.find("}}", at) + 2
        end = end if end > 1 else -1
    if end < 0:
        raise source.problem("This comment does not end.", at)
    return end


def _raw(source: Source, at: int) -> Iterator[Token]:
    """What stands in a raw block, and its end; blocks within it are text."""
    text, depth = source.text, 1
    while True:
        found = _RAW_END.match(text, at)
        if found is not None:
            depth -= 1
            kind = Kind.CONTENT if depth else Kind.END_RAW
            yield Token(kind, found.group(), at)
            at = found.end()
            if not depth:
                return
        elif text.startswith("{{{{", at) and text[at + 4 : at + 5] not in {"", "/"}:
            depth += 1
            yield Token(Kind.CONTENT, "{{{{", at)
            at += 4
        else:
            following = text.find("{{{{", at + 1)
            if following < 0:
                raise source.problem("This raw block does not end.", at)
            yield Token(Kind.CONTENT, text[at:following], at)
            at = following
