"""What is wrong with a template, and where: line and column, both from 1 on."""

from dataclasses import dataclass


class TemplateProblem(Exception):
    """A template cannot be read, or not be rendered with these locals."""

    def __init__(self, message: str, *, template: str | None, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.template = template
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text and the name that it goes by; None for the one that is rendered itself."""

    text: str
    name: str | None = None

    def problem(self, message: str, offset: int) -> TemplateProblem:
        """Say what is wrong at an offset of the text."""
        before = self.text[:offset]
        line_start = before.rfind("\n") + 1
        return TemplateProblem(
            message, template=self.name, line=before.count("\n") + 1, column=len(before) - line_start + 1
        )
