"""What rendering refuses, and where in which template it went wrong."""

from outrider.core.errors import AppError, ErrorKind


class RenderError(AppError):
    """The template could not be rendered.

    The details tell `part` (`from`, `subject`, `text`, `html`, `styles`, `locals` or `partials`), `template` (None for an inline one),
    and `line` and `column`, from 1 on, where there is such a place.
    """

    kind = ErrorKind.INVALID
    code = "RENDER_ERROR"

    def __init__(
        self,
        message: str | None = None,
        /,
        *,
        part: str,
        template: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, part=part, template=template, line=line, column=column)
        self.part = part
        self.template = template
        self.line = line
        self.column = column
