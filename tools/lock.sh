#!/usr/bin/env bash
# Writes both lock files: pinned, with hashes, for every platform and Python from 3.11 on, and without the
# address of any package index. Arguments go to uv (for example --upgrade-package aiohttp, or --upgrade).
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
options=(--quiet --universal --python-version 3.11 --generate-hashes
    --no-annotate --no-header --no-emit-index-url --no-emit-find-links)
"$uv" pip compile "${options[@]}" "$@" pyproject.toml -o requirements.lock
"$uv" pip compile "${options[@]}" "$@" pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
