"""Packages of public registries for functions of tests, by the registry's own client; what is not there is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

TIMEOUT_S = 240.0


def files_of(folder: Path) -> dict[str, str | bytes]:
    """Everything below a folder, by its path in a package."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def fetched(argv: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> None:
    """Run a client; skips with its words when it is missing, fails, or takes too long."""
    try:
        done = subprocess.run(
            list(argv), cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
            env={**os.environ, **(environ or {})}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{argv[0]}: {error}")
    if done.returncode != 0:
        pytest.skip(f"{argv[0]} failed: {done.stderr[-400:]}")


def npm_packages(folder: Path, packages: Mapping[str, str]) -> None:
    """``node_modules`` in ``folder`` with these versions, without what is only for compilers."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    (folder / "package.json").write_text(json.dumps({"name": "app", "version": "1.0.0", "dependencies": packages}))
    fetched(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], folder)
    for file in [*folder.rglob("*.ts"), *folder.rglob("*.map"), *folder.rglob("*.md")]:
        file.unlink()


def python_packages(folder: Path, version: str, *packages: str) -> None:
    """Packages for Python ``version`` in ``folder``."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    options = ["--only-binary=:all:", "--python-version", version, "--no-compile", "--target", str(folder)]
    fetched([*pip, *options, *packages], folder)


def maven_jar(folder: Path, name: str, version: str) -> Path:
    """The jar ``group:artifact`` in that version, in ``folder``."""
    maven = shutil.which("mvn")
    if maven is None:
        pytest.skip("needs mvn")
    project = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>test</groupId>'
        "<artifactId>test</artifactId><version>1</version><packaging>pom</packaging></project>"
    )
    (folder / "pom.xml").write_text(project)
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
    fetched([maven, "-B", "-q", "-ntp", plugin, f"-Dartifact={name}:{version}", f"-DoutputDirectory={folder}"], folder)
    return folder / f"{name.partition(':')[2]}-{version}.jar"
