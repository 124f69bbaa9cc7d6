"""The readable text of an HTML body, for the text part that goes beside it."""

import re
from html.parser import HTMLParser

_UNSEEN = frozenset({"head", "script", "style", "template", "title"})
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


def text_of_html(html: str) -> str:
    """The text that a reader sees: paragraphs apart, list items marked, links followed by their address."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    return reader.text()


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._unseen_depth = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen_depth += 1
            return
        attributes = dict(attrs)
        self._break_before(tag)
        if tag == "li":
            self._parts.append("- ")
        elif tag == "img":
            self.handle_data(attributes.get("alt") or "")
        elif tag == "a":
            self._links.append((attributes.get("href") or "", len(self._parts)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen_depth = max(0, self._unseen_depth - 1)
        elif tag == "a" and self._links:
            self._name_link(*self._links.pop())
        elif tag in {"td", "th"}:
            self._parts.append(" ")
        else:
            self._break_before(tag)

    def handle_data(self, data: str) -> None:
        if self._unseen_depth == 0:
            self._parts.append(_SPACES.sub(" ", data))

    def text(self) -> str:
        lines = [_SPACES.sub(" ", line).strip() for line in "".join(self._parts).split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"

    def _break_before(self, tag: str) -> None:
        if tag == "br":
            self._parts.append("\n")
        elif tag in _BLOCKS:
            ends_line = not self._parts or self._parts[-1].endswith("\n")
            self._parts.append(("" if ends_line else "\n") + ("\n" if tag in _PARAGRAPHS else ""))

    def _name_link(self, address: str, start: int) -> None:
        is_shown = address in "".join(self._parts[start:])
        if address.startswith(("http://", "https://", "mailto:")) and not is_shown:
            self._parts.append(f" ({address.removeprefix('mailto:')})")
