"""Fails when the committed API descriptions are not what the code serves; `--write` brings them up to date."""

import argparse
import sys
from pathlib import Path

from outrider.surfaces.admin_graphql.schema import served_sdl as admin_sdl
from outrider.surfaces.developer_graphql.schema import served_sdl

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = {
    ROOT / "docs" / "api" / "developer.graphql": served_sdl,
    ROOT / "docs" / "api" / "admin.graphql": admin_sdl,
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
