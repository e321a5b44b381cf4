#!/usr/bin/env bash
# Writes requirements.lock (what a node needs) and requirements-dev.lock (that, and what tests and checks need): exact
# versions for every Python from 3.11 on, with markers. Needs uv; functory itself does not.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "lock: uv is not installed: python3 -m pip install uv" >&2; exit 1; }
compile() { uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make lock" "$@"; }
compile --upgrade pyproject.toml -o requirements.lock
compile --upgrade --all-extras --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
