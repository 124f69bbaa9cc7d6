"""The readable text of an HTML body, for the text part that goes beside it.

Reads each character a bounded number of times whatever the body holds (the standard library's parser takes
minutes for a megabyte of unclosed comments), and makes something of every body.
"""

import html
import re
from collections.abc import Callable, Mapping

_HIDDEN = frozenset({"head", "template"})
_RAW = frozenset({"script", "style", "textarea", "title", "noscript", "iframe", "svg"})
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
    }
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"}
    | {"table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_PARAGRAPHS = frozenset({"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "table", "ul"})
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")
_SPACES_IN_LINE = re.compile(r"[ \t\r\f\xa0]+")
_BLANK = " \t\r\n\f\xa0"
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]*")
# A tag whose quotes are closed; possessive, so that it is read once.
_TAG = re.compile(
    r"""<(/?[a-zA-Z][a-zA-Z0-9:-]*+)([^"'>]*+(?:"[^"]*+"[^"'>]*+|'[^']*+'[^"'>]*+)*+)>""",
)
_QUOTE_OR_END = re.compile(r"[\"'>]")
_ATTRIBUTE = re.compile(r"""[\s"'/](href|alt)\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_LINKED = ("http://", "https://", "mailto:")


def text_of_html(source: str) -> str:
    """The text that a reader sees: paragraphs apart, list items marked, links followed by their address."""
    reader = _Reader(source)
    reader.read()
    return reader.text()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._lower = source.lower() if len(source.lower()) == len(source) else source
        self._parts: list[str] = []
        self._hidden_depth = 0
        self._link: tuple[str, int] | None = None

    def read(self) -> None:
        """Read piece after piece of markup, and the text between them."""
        source, at = self._source, 0
        while at < len(source):
            opening = source.find("<", at)
            if opening < 0:
                self._say(html.unescape(source[at:]))
                return
            if opening > at:
                self._say(html.unescape(source[at:opening]))
            tag = _TAG.match(source, opening)
            at = self._read_oddity(opening) if tag is None else self._read_tag(tag[1], tag[2], tag.end())

    def text(self) -> str:
        """What was read, without spaces that nobody sees."""
        lines = _SPACES_IN_LINE.sub(" ", "".join(self._parts)).split("\n")
        return re.sub(r"\n{3,}", "\n\n", "\n".join([line.strip() for line in lines])).strip() + "\n"

    def _read_oddity(self, opening: int) -> int:
        """Read what is no well-formed tag; returns where it ends."""
        name = _NAME.match(self._source, opening + 1)
        if name is not None:
            end = self._end_of_tag(name.end())
            if end is None:
                return len(self._source)
            return self._read_tag(name.group(), self._source[name.end() : end], end + 1)
        if self._source.startswith("<!--", opening):
            return self._end_of("-->", opening + 4)
        if self._source.startswith(("<!", "<?", "</"), opening):
            return self._end_of(">", opening)
        self._say("<")
        return opening + 1

    def _end_of(self, mark: str, start: int) -> int:
        end = self._lower.find(mark, start)
        return end + len(mark) if end >= 0 else len(self._source)

    def _end_of_tag(self, start: int) -> int | None:
        found = _QUOTE_OR_END.search(self._source, start)
        while found is not None and found.group() != ">":
            closing = self._source.find(found.group(), found.end())
            if closing < 0:
                after = self._source.find(">", found.end())
                return after if after >= 0 else None
            found = _QUOTE_OR_END.search(self._source, closing + 1)
        return found.start() if found is not None else None

    def _read_tag(self, name: str, attributes: str, end: int) -> int:
        """Do what a tag asks for; returns where to read on."""
        name = name.lower()
        if name in _RAW:
            return self._end_of(">", self._end_of(f"</{name}", end))
        act = _ACTS.get(name)
        if act is not None:
            act(self, attributes)
        return end

    def _say(self, text: str) -> None:
        if text and self._hidden_depth == 0:
            self._parts.append(_SPACES.sub(" ", text) if text.strip(_BLANK) else " ")

    def hide(self, _attributes: str) -> None:
        self._hidden_depth += 1

    def show(self, _attributes: str) -> None:
        self._hidden_depth = max(0, self._hidden_depth - 1)

    def begin_body(self, _attributes: str) -> None:
        self._hidden_depth = 0

    def break_line(self, _attributes: str) -> None:
        self._parts.append("\n")

    def break_block(self, _attributes: str) -> None:
        self._parts.append("" if self._ends_line() else "\n")

    def break_paragraph(self, _attributes: str) -> None:
        self._parts.append("\n" if self._ends_line() else "\n\n")

    def _ends_line(self) -> bool:
        return not self._parts or self._parts[-1].endswith("\n")

    def mark_item(self, attributes: str) -> None:
        self.break_block(attributes)
        self._say("- ")

    def end_cell(self, _attributes: str) -> None:
        self._say(" ")

    def name_image(self, attributes: str) -> None:
        self._say(_attribute(attributes, "alt"))

    def begin_link(self, attributes: str) -> None:
        self._link = (_attribute(attributes, "href"), len(self._parts))

    def end_link(self, _attributes: str) -> None:
        if self._link is None:
            return
        address, start = self._link
        self._link = None
        if address.startswith(_LINKED) and address not in "".join(self._parts[start:]):
            self._say(f" ({address.removeprefix('mailto:')})")


_BREAKS = {
    **dict.fromkeys(_BLOCKS, _Reader.break_block),
    **dict.fromkeys(_PARAGRAPHS, _Reader.break_paragraph),
    "br": _Reader.break_line,
}
_ACTS: Mapping[str, Callable[[_Reader, str], None]] = {
    **_BREAKS,
    **{f"/{tag}": act for tag, act in _BREAKS.items()},
    **dict.fromkeys(_HIDDEN, _Reader.hide),
    **{f"/{tag}": _Reader.show for tag in _HIDDEN},
    "body": _Reader.begin_body,
    "li": _Reader.mark_item,
    "img": _Reader.name_image,
    "a": _Reader.begin_link,
    "/a": _Reader.end_link,
    "/td": _Reader.end_cell,
    "/th": _Reader.end_cell,
}


def _attribute(attributes: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(attributes):
        if found.group(1).lower() == name:
            return html.unescape(
                next((value for value in found.groups()[1:] if value is not None), "")
            ).strip()
    return ""
