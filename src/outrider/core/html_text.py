"""The readable text of an HTML body, for the text part that goes beside it.

Reads each character a bounded number of times whatever the body holds (the standard library's parser takes
minutes for a megabyte of unclosed comments), and makes something of every body.
"""

import html
import re

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
_NAME = re.compile(r"/?[a-zA-Z][a-zA-Z0-9:-]*")
_QUOTE_OR_END = re.compile(r"[\"'>]")
_ATTRIBUTE = re.compile(r"""[\s"'/](href|alt)\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_LINKED = ("http://", "https://", "mailto:")


def text_of_html(source: str) -> str:
    """The text that a reader sees: paragraphs apart, list items marked, links followed by their address."""
    reader = _Reader(source)
    while reader.read_on():
        pass
    return reader.text()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._lower = source.lower() if len(source.lower()) == len(source) else source
        self._at = 0
        self._parts: list[str] = []
        self._hidden_depth = 0
        self._link: tuple[str, int] | None = None

    def read_on(self) -> bool:
        """Read up to and over the next piece of markup; False at the end."""
        opening = self._source.find("<", self._at)
        self._say(html.unescape(self._source[self._at : opening if opening >= 0 else None]))
        if opening < 0:
            return False
        name = _NAME.match(self._source, opening + 1)
        if name is not None:
            return self._read_tag(name)
        if self._source.startswith("<!--", opening):
            return self._skip_over("-->", opening + 4)
        if self._source.startswith(("<!", "<?", "</"), opening):
            return self._skip_over(">", opening)
        self._say("<")
        self._at = opening + 1
        return True

    def text(self) -> str:
        lines = [_SPACES.sub(" ", line).strip() for line in "".join(self._parts).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"

    def _skip_over(self, mark: str, start: int) -> bool:
        end = self._lower.find(mark, start)
        self._at = end + len(mark) if end >= 0 else len(self._source)
        return end >= 0

    def _read_tag(self, name: re.Match[str]) -> bool:
        end = self._end_of_tag(name.end())
        if end is None:
            return False
        self._at = end + 1
        tag = name.group().lower()
        if tag in _RAW:
            return self._skip_over(f"</{tag}", self._at) and self._skip_over(">", self._at)
        if tag.startswith("/"):
            self._end(tag[1:])
        else:
            self._start(tag, self._source[name.end() : end])
        return True

    def _end_of_tag(self, start: int) -> int | None:
        found = _QUOTE_OR_END.search(self._source, start)
        while found is not None and found.group() != ">":
            closing = self._source.find(found.group(), found.end())
            if closing < 0:
                after = self._source.find(">", found.end())
                return after if after >= 0 else None
            found = _QUOTE_OR_END.search(self._source, closing + 1)
        return found.start() if found is not None else None

    def _start(self, tag: str, attributes: str) -> None:
        if tag in _HIDDEN:
            self._hidden_depth += 1
        elif tag == "body":
            self._hidden_depth = 0
        self._break_at(tag)
        if tag == "li":
            self._say("- ")
        elif tag == "img":
            self._say(_attribute(attributes, "alt"))
        elif tag == "a":
            self._link = (_attribute(attributes, "href"), len(self._parts))

    def _end(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden_depth = max(0, self._hidden_depth - 1)
        elif tag == "a" and self._link is not None:
            self._name_link(*self._link)
            self._link = None
        elif tag in {"td", "th"}:
            self._say(" ")
        else:
            self._break_at(tag)

    def _say(self, text: str) -> None:
        if text and self._hidden_depth == 0:
            self._parts.append(_SPACES.sub(" ", text))

    def _break_at(self, tag: str) -> None:
        if tag == "br":
            self._parts.append("\n")
        elif tag in _BLOCKS:
            ends_line = not self._parts or self._parts[-1].endswith("\n")
            self._parts.append(("" if ends_line else "\n") + ("\n" if tag in _PARAGRAPHS else ""))

    def _name_link(self, address: str, start: int) -> None:
        if address.startswith(_LINKED) and address not in "".join(self._parts[start:]):
            self._say(f" ({address.removeprefix('mailto:')})")


def _attribute(attributes: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(attributes):
        if found.group(1).lower() == name:
            return html.unescape(
                next((value for value in found.groups()[1:] if value is not None), "")
            ).strip()
    return ""
