"""Runtime packs: the folders that are seen as ``/var/runtime``.

A pack holds the runtime client and, for Python, the AWS SDK. Its name ends in a hash of everything it is made of (pinned
versions, our bootstraps, platform), so a new Functory never runs on an old pack, and a pack that exists is complete:
it is made beside its place, synchronised to the disk and renamed.

Packs that are nothing but our bootstrap (Node.js; with the SDK of `javascript_sdk` where that is here) are made when first
needed. Python packs come from PyPI by pip, with the
user's own pip configuration, Java packs from Maven (`java_pack`); both are made by ``functory runtimes install``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from functory.kernel.errors import FunctoryError
from functory.runtimes.definitions import Definition
from functory.runtimes.interpreters import Interpreter

BOOTSTRAPS = Path(__file__).parent / "bootstraps"

_PIP_TIMEOUT_S = 900
_COMPILE_TIMEOUT_S = 300
_OUTPUT_CHARS = 2000
_UNWANTED = ("bin", "__pycache__")


class InstallError(FunctoryError):
    """Something could not be fetched or built; nothing was changed. The text holds the tool's own words."""


def pack_path(definition: Definition, runtimes: Path, sdk: Path | None = None) -> Path:
    """Where the pack of ``definition``, with or without an SDK, is or would be."""
    digest = hashlib.sha256()
    if sdk is not None:
        digest.update(sdk.name.encode() + b"\0")
    digest.update(json.dumps([definition.id, sorted(definition.pack.items()), platform.machine(), sys.platform]).encode())
    for file in _bootstrap_files(definition):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return runtimes / "packs" / f"{definition.id}-{digest.hexdigest()[:12]}"


def make_own_pack(definition: Definition, runtimes: Path, sdk: Path | None = None) -> Path:
    """The pack of a runtime that needs nothing but our bootstrap, made if it is not there yet.

    ``sdk``: a folder whose ``node_modules`` become part of it, as hard links.
    """
    final = pack_path(definition, runtimes, sdk)
    if not final.exists():
        with staging(final.parent) as work:
            copy_bootstrap(definition, work)
            if sdk is not None:
                shutil.copytree(sdk / "node_modules", work / "node_modules", copy_function=os.link)
            publish(work, final)
    return final


def make_python_pack(
    definition: Definition, interpreter: Interpreter, runtimes: Path, pip: Sequence[str]
) -> tuple[Path, list[dict[str, str]]]:
    """Make the pack of a Python runtime with ``pip`` (a command line that may belong to another Python).

    Returns:
        Its folder, and what went into it: name, version and sha256 of each distribution; empty when it was there already.

    Raises:
        InstallError: pip could not bring it, or the interpreter cannot import it.
    """
    final = pack_path(definition, runtimes)
    if final.exists():
        return final, []
    with staging(final.parent) as work:
        report = work.parent / f"{work.name}.json"
        try:
            _pip_install(definition, work, report, pip)
            contents = _contents(json.loads(report.read_text(encoding="utf-8")))
        finally:
            report.unlink(missing_ok=True)
        for name in _UNWANTED:
            shutil.rmtree(work / name, ignore_errors=True)
        copy_bootstrap(definition, work)
        _compile(interpreter, work)
        _try_import(interpreter, work)
        publish(work, final)
    return final, contents


class staging:  # noqa: N801  used as a context manager, reads as one
    """A new empty folder beside the final place, removed on the way out unless it was published."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def __enter__(self) -> Path:
        self._parent.mkdir(parents=True, exist_ok=True)
        self._work = Path(tempfile.mkdtemp(prefix=".new-", dir=self._parent))
        return self._work

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._work, ignore_errors=True)


def publish(work: Path, final: Path) -> None:
    """Make the folder readable for everybody, durable, and visible under its final name.

    When somebody else was faster, theirs is kept: it has the same content.
    """
    make_readable(work)
    os.sync()
    try:
        work.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        return
    descriptor = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_readable(work: Path) -> None:
    """Let every user read what is in the folder, and execute what its owner may."""
    for folder, _, files in os.walk(work):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)


def run_tool(argv: Sequence[str], timeout_s: float, environ: Mapping[str, str] | None = None) -> str:
    """Standard output of a command.

    Raises:
        InstallError: it failed, is missing or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603  fixed commands
            list(argv), capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL, env=environ
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip())[-_OUTPUT_CHARS:]
        raise InstallError(f"{' '.join(argv[:4])} … failed with status {done.returncode}:\n{words}")
    return done.stdout


def pip_environ() -> dict[str, str]:
    """The user's environment and pip configuration, without what would turn an installation elsewhere."""
    unwanted = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def _pip_install(definition: Definition, target: Path, report: Path, pip: Sequence[str]) -> None:
    pins = [f"{name}=={version}" for name, version in sorted(definition.pack.items())]
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--no-compile", "--no-warn-conflicts"]
    options += ["--root-user-action=ignore", "--only-binary=:all:", "--implementation=cp"]
    options += [f"--python-version={definition.version}", f"--target={target}", f"--report={report}"]
    run_tool([*pip, "install", *options, *pins], _PIP_TIMEOUT_S, pip_environ())


def _contents(report: Mapping[str, list[dict[str, dict[str, dict[str, dict[str, str]]]]]]) -> list[dict[str, str]]:
    """Name, version and sha256 of each distribution in a pip installation report."""
    contents = []
    for item in report["install"]:
        metadata = {key: str(value) for key, value in item["metadata"].items()}
        archive = item["download_info"].get("archive_info", {})
        sha256 = archive.get("hashes", {}).get("sha256", "")
        contents.append({"package": metadata["name"], "version": metadata["version"], "sha256": sha256})
    return contents


def _bootstrap_files(definition: Definition) -> list[Path]:
    folder = BOOTSTRAPS / definition.language
    return sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []


def copy_bootstrap(definition: Definition, target: Path) -> None:
    """Put the bootstrap files of a language into a pack."""
    for file in _bootstrap_files(definition):
        copy = target / file.name
        shutil.copyfile(file, copy)
        copy.chmod(0o755 if file.name == "bootstrap" else 0o644)


def _compile(interpreter: Interpreter, folder: Path) -> None:
    """Byte-compile ahead: the folder is read-only inside. Hash-based, never checked against the source again."""
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/var/runtime"]
    run_tool([str(interpreter.executable), "-I", "-S", "-m", "compileall", *options, str(folder)], _COMPILE_TIMEOUT_S)


def _try_import(interpreter: Interpreter, folder: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import runtime_client, awslambdaric.bootstrap, boto3"
    run_tool([str(interpreter.executable), "-I", "-S", "-B", "-c", code], _COMPILE_TIMEOUT_S)
