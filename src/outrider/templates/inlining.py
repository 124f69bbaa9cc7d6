"""Styles moved from style sheets into the elements that they match, since many mail programs know nothing else.

What cannot stand in an element stays in a style sheet: media queries and other rules with `@`, `:hover` and the
like. Nothing is fetched. The parser behind it takes time and stack without bounds for some documents, and stops
the whole process meanwhile, so documents are measured before.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from css_inline import CSSInliner

MOST_TAGS: Final = 20_000
DEEPEST: Final = 300
_FEW_TAGS: Final = 1_000
"""Up to here elements may stand in each other as they like: what becomes of them is at most the square."""
_MOST_WORK: Final = 400_000_000
"""Tags, times the square of declarations: what it costs if every rule matches every element."""
_STYLE: Final = re.compile(r"<style\b[^>]*>(.*?)</style", re.IGNORECASE | re.DOTALL)
_HAS_STYLE: Final = re.compile(r"<style\b", re.IGNORECASE)
_EMPTY_STYLE: Final = re.compile(r"<style\b[^>]*>\s*</style>", re.IGNORECASE)
_ENDS_STYLE: Final = re.compile(r"</style|<!--", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_BEFORE_HEAD: Final = re.compile(r"\s*(?:<!doctype[^>]*>\s*)?(?:<html\b[^>]*>)?", re.IGNORECASE)
_TAG: Final = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))|<(/?)([a-zA-Z][^\s/>]*)[^>]*(?:>|\Z)", re.DOTALL)
_VOID: Final = frozenset(
    "area base br col embed hr img input link meta param source track wbr".split()  # noqa: SIM905
)
_MAY_STAY_OPEN: Final = frozenset(
    "html head body p li dt dd td th tr thead tbody tfoot colgroup option optgroup".split()  # noqa: SIM905
)
_FORMATTING: Final = frozenset(
    "a b big code em font i nobr s small strike strong tt u".split()  # noqa: SIM905
)


class NotInlined(Exception):
    """These styles cannot be inlined in this document; the message says why."""


def inline_styles(html: str, styles: str | None) -> str:
    """Move the styles, and those of the document's own style sheets, into elements."""
    if styles is None and not _HAS_STYLE.search(html):
        return html
    if styles is not None:
        if _ENDS_STYLE.search(styles):
            raise NotInlined("Styles are CSS alone: they cannot hold </style or <!--.")
        html = _with_style(html, styles)
    _measure(html)
    from css_inline import InlineError  # noqa: PLC0415

    try:
        return _EMPTY_STYLE.sub("", _inliner().inline(html))
    except InlineError as problem:
        raise NotInlined(f"The styles could not be read: {problem}") from None


@cache
def _inliner() -> "CSSInliner":
    """The parser behind it: 2 MB, which a server that renders nothing does not load."""
    from css_inline import CSSInliner  # noqa: PLC0415

    return CSSInliner(
        load_remote_stylesheets=False,
        keep_link_tags=True,
        keep_style_tags=True,
        remove_inlined_selectors=True,
    )


def _with_style(html: str, styles: str) -> str:
    """Put a style sheet before all others of a document."""
    head = _HEAD.search(html) or _BEFORE_HEAD.match(html)
    at = head.end() if head else 0
    return f"{html[:at]}<style>{styles}</style>{html[at:]}"


def _measure(html: str) -> None:
    tags = html.count("<")
    if tags > MOST_TAGS:
        raise NotInlined(f"Styles are inlined in documents of up to {MOST_TAGS:,} tags.")
    declarations = sum(one.group(1).count(";") + one.group(1).count("{") for one in _STYLE.finditer(html))
    if tags * declarations**2 > _MOST_WORK:
        raise NotInlined("There are too many styles for a document of this size to inline them.")
    if tags > _FEW_TAGS:
        _check_nesting(html)


def _check_nesting(html: str) -> None:
    """Refuse a large document whose elements do not stand in each other properly."""
    stack: list[str] = []
    for tag in _TAG.finditer(html):
        name = (tag.group(2) or "").lower()
        if not name or name in _VOID:
            continue
        if not tag.group(1):
            stack.append(name)
            if len(stack) > DEEPEST:
                raise NotInlined(f"Elements stand in each other more than {DEEPEST} levels deep.")
        elif not _ended(stack, name):
            line = html.count("\n", 0, tag.start()) + 1
            raise NotInlined(
                f"In this large document </{name}> ends what was not begun (rendered line {line})."
            )
    if any(name not in _MAY_STAY_OPEN for name in stack):
        raise NotInlined("In this large document elements are not ended.")


def _ended(stack: list[str], name: str) -> bool:
    """End the innermost element, and those in it that may stay open; False if it is another."""
    if name not in _FORMATTING:
        while stack and stack[-1] != name and stack[-1] in _MAY_STAY_OPEN:
            stack.pop()
    return bool(stack) and stack.pop() == name
