"""The documents as tests read them: their text, code blocks, headings and tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
"""Every page."""


def name_of(page: Path) -> str:
    """How a page is called in a test's name."""
    return str(page.relative_to(ROOT))


def text_of(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text()


def code_blocks(text: str, language: str) -> list[str]:
    """The blocks of one language, those inside of lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in block.split("\n")) for indent, block in found]


def prose(text: str) -> str:
    """The text without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """What a link may name after `#`."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def rows_under(text: str, heading: str) -> list[list[str]]:
    """The cells of the tables' rows below a heading, up to the next one."""
    _, _, below = text.partition(f"\n{heading}\n")
    section = re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0]
    return [row for row in map(_cells, section.splitlines()) if row and set(row[0]) - set("- ")]


def _cells(line: str) -> list[str]:
    if not line.startswith("|"):
        return []
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def words_in_ticks(text: str) -> list[str]:
    """Everything that stands between back-ticks in the prose."""
    return re.findall(r"`([^`\n]+)`", prose(text))
