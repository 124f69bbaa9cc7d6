"""What every page says exists: links, paths, commands, targets, settings."""

import argparse
import re
from pathlib import Path

import pytest

from outrider.cli.arguments import build_parser
from outrider.core.config import describe
from tests.docs.pages import PAGES, ROOT, anchors, name_of, text_of, words_in_ticks

_PLACES = (
    "src/",
    "tests/",
    "tools/",
    "docs/",
    "bench/",
    ".ci/",
    "core/",
    "platforms/",
    "tenancy/",
    "events/",
)
_PLACES += ("dispatch/", "messaging/", "webhooks/", "surfaces/", "runtime/", "cli/", "queries/")
_MADE_UP = re.compile(r"acme|NNNN|[<>*…{}]")
_NEWCOMERS_OWN = {"bench/results/latest.json", "bench/results/crash-drill.json"}
each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text()), target


@each_page
def test_paths_exist(page: Path) -> None:
    for word in words_in_ticks(page.read_text()):
        for path in word.split(", "):
            if path.startswith(_PLACES) and " " not in path and not _MADE_UP.search(path):
                assert path in _NEWCOMERS_OWN or _is_there(path), path


def _is_there(path: str) -> bool:
    developer_graphql = "src/outrider/surfaces/developer_graphql"
    return any((ROOT / place / path).exists() for place in ("", "src/outrider", developer_graphql))


def test_the_files_of_a_messages_road_exist() -> None:
    road = "\n".join(
        re.findall(r"^```text\n(.*?)^```$", text_of("docs/architecture.md"), re.MULTILINE | re.DOTALL)
    )
    files = re.findall(r"^ (?:\d|  ) ?\s*([a-z_]+/[\w/]+(?:\.py)?)(?:  |,|$)", road, re.MULTILINE)

    assert len(files) > 15
    for file in files:
        path = ROOT / "src/outrider" / file
        assert path.exists() or path.with_suffix(".py").exists(), file


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    text = page.read_text()
    named = re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)

    assert set(named) <= targets


def test_every_make_target_is_listed_for_contributors() -> None:
    described = re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE)

    assert {f"make {name}" for name in described} - {"make help"} <= set(
        words_in_ticks(text_of("CONTRIBUTING.md"))
    )


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    commands = _commands()
    for name, rest in re.findall(r"(?:\.venv/bin/|`)outrider ([a-z]+)([^`\n#|]*)", page.read_text()):
        assert name in commands, name
        assert set(re.findall(r"--[a-z-]+", rest)) <= commands[name], f"{name}{rest}"


def _commands() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, parser in _choices(build_parser()).items():
        inner = [parser, *_choices(parser).values()]
        found[name] = {option for one in inner for action in one._actions for option in action.option_strings}
    return found


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(groups[0].choices) if groups else {}


@each_page
def test_settings_exist(page: Path) -> None:
    known = {entry.variable for entry in describe()} | {"OUTRIDER_SHARED"}

    assert set(re.findall(r"\bOUTRIDER_[A-Z_]+[A-Z]\b", page.read_text())) <= known


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\) \| (.+) \|", text_of("docs/decisions/README.md"))
    records = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))

    assert [name for name, _ in listed] == [record.name for record in records]
    for record, (_, title) in zip(records, listed, strict=True):
        text = record.read_text()
        assert text.startswith(f"# {int(record.name[:4])}. {title}\n")
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives"], record.name
        assert 10 <= len(text.splitlines()) <= 36, record.name
