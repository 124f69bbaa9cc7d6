"""docs/operating.md lists the commands and settings that exist, as they are."""

import argparse
from pathlib import Path

from outrider.cli.arguments import build_parser
from outrider.core.config import describe

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def test_every_setting_stands_there_as_it_is() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `OUTRIDER_")]
    written = [
        tuple(cell.strip().replace("`", "") for cell in row.strip("|").split(" | ", maxsplit=3))
        for row in rows
    ]

    assert written == [
        (entry.variable, entry.default, entry.allowed.replace("`", ""), entry.meaning) for entry in describe()
    ]


def test_every_command_and_option_stands_there() -> None:
    (commands,) = (
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    for name, parser in commands.choices.items():
        assert f"`outrider {name}" in PAGE
        options = {option for action in parser._actions for option in action.option_strings}
        for option in options - {"-h", "--help", "--host"}:
            assert option in PAGE, f"{name} {option}"
