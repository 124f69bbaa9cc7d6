"""The cases that our engine and the npm package are compared by, and the differences that we want."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outrider.templates.handlebars.compiling import compile_template
from outrider.templates.handlebars.problems import TemplateProblem
from outrider.templates.handlebars.programs import Compiled
from outrider.templates.handlebars.running import Limits

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A template with its data, and what Handlebars makes of it: an output, or (None) a refusal."""

    group: str
    name: str
    template: str
    data: Any
    expected: str | None
    partials: dict[str, str] = field(default_factory=dict)
    options: dict[str, bool] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called in the list of differences."""
        return f"{self.group}: {self.name}"

    def rendered(self) -> str | None:
        """What our engine makes of it."""
        options = {
            "is_escaped": not self.options.get("noEscape", False),
            "is_strict": self.options.get("strict", False),
        }

        def load(name: str) -> Compiled | None:
            text = self.partials.get(name)
            return None if text is None else compile_template(text, name=name, **options)

        try:
            return compile_template(self.template, **options).render(self.data, load, Limits())
        except TemplateProblem:
            return None


def raw_cases() -> list[dict[str, Any]]:
    """The cases as they are written."""
    found: list[dict[str, Any]] = json.loads((FOLDER / "handlebars_cases.json").read_text())
    return found


CASES = [Case(**{**one, "expected": one["expected"].get("output")}) for one in raw_cases()]
DIFFERENCES: dict[str, str] = json.loads((FOLDER / "handlebars_differences.json").read_text())
