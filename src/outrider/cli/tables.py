"""Lists on standard output, their columns as wide as what stands in them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def print_table(rows: Sequence[T], columns: Sequence[tuple[str, Callable[[T], str]]]) -> None:
    """Print a line of titles, and one for each row."""
    lines = [[name for name, _ in columns], *([show(row) for _, show in columns] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
