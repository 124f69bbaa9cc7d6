"""Fails when committed descriptions of the API are not what the code serves; `--write` brings them up to date."""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from outrider.surfaces.admin_graphql.schema import served_sdl as admin_sdl
from outrider.surfaces.developer_errors import written_table
from outrider.surfaces.developer_graphql.schema import served_sdl
from outrider.surfaces.developer_rest.openapi import served_openapi
from outrider.surfaces.outbound_rest.openapi import written_openapi as reads_openapi
from outrider.surfaces.outkit_rest.openapi import written_openapi

ROOT = Path(__file__).resolve().parent.parent
ERRORS_PAGE = ROOT / "docs" / "errors.md"


def page_of_errors() -> str:
    """Give the page of errors with the table that the code makes."""
    page = ERRORS_PAGE.read_text("utf-8")
    return re.sub(
        r"^\| Code \|.*?\n(?!\|)", lambda _: written_table() + "\n", page, flags=re.MULTILINE | re.DOTALL
    )


COMMITTED: Mapping[Path, Callable[[], str]] = {
    ROOT / "docs" / "api" / "developer.graphql": served_sdl,
    ROOT / "docs" / "api" / "admin.graphql": admin_sdl,
    ROOT / "docs" / "api" / "developer.openapi.json": served_openapi,
    ROOT / "docs" / "api" / "outkit.openapi.json": written_openapi,
    ROOT / "docs" / "api" / "reads.openapi.json": reads_openapi,
    ERRORS_PAGE: page_of_errors,
}


def drifted() -> list[Path]:
    """Give the committed files that differ from what is served."""
    return [
        path for path, serve in COMMITTED.items() if not path.is_file() or path.read_text("utf-8") != serve()
    ]


def main() -> int:
    """Check, or write what has drifted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what is served")
    is_writing = parser.parse_args().write
    paths = drifted()
    for path in paths:
        if is_writing:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(COMMITTED[path](), "utf-8")
        print(f"{path.relative_to(ROOT)}: {'written' if is_writing else 'differs from what the code serves'}")
    return 1 if paths and not is_writing else 0


if __name__ == "__main__":
    sys.exit(main())
