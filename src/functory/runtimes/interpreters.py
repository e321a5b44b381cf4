"""Which interpreters are on this machine.

**Theory.** A name proves nothing: ``python3.12`` may be a virtual environment, a shim that starts something else, a
free-threaded or foreign build. So candidates are collected by name and *executed*; what they say of themselves decides.
Of a Python that is the base prefix, never a virtual environment. The first candidate whose version is exactly the one asked
for and whose files another user may read is taken; why others were not is kept for the operator.

Functions run as another user inside a bind mount of the interpreter's folder. So permissions count from that folder
down, not those of the folders above it.

The setting ``runtimes.stand_ins`` names interpreters whose version is not compared; `catalog` says so where it shows them.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from functory.kernel.errors import SettingsError
from functory.runtimes.definitions import Definition

SYSTEM = Path("/usr")
"""Seen inside every sandbox at its own place, so interpreters from there need no mount of their own."""

_PROBE_TIMEOUT_S = 20.0
_PYTHON_PROBE = (
    "import sys,json;print(json.dumps(["
    "'%d.%d.%d'%sys.version_info[:3],sys.base_prefix,sys.implementation.name,sys.version_info[3],getattr(sys,'abiflags','')]))"
)
_RUBY_PROBE = "require 'rbconfig'; puts RUBY_VERSION, RUBY_ENGINE, RbConfig::CONFIG['prefix'], RbConfig.ruby"
_JAVA_FACTS = ("java.home", "java.version", "java.specification.version", "java.vm.name")
_FOREIGN = (
    "PYTHON",
    "NODE_",
    "VIRTUAL_ENV",
    "RUBY",
    "GEM_",
    "BUNDLE_",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
)
"""Variables that would change what an interpreter says of itself."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One interpreter that was executed and is what it should be.

    Attributes:
        version: exact, e.g. ``3.12.1``.
        executable: absolute path.
        prefix: folder to mount at ``/var/lang``, holding ``bin``; None when only the executable is to be offered there.
    """

    version: str
    executable: Path
    prefix: Path | None

    @property
    def location(self) -> Path:
        """The folder to show to people."""
        return self.prefix or self.executable.parent


@dataclass(frozen=True, slots=True)
class Search:
    """What a search gave: the interpreter, or why no candidate would do."""

    found: Interpreter | None
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look. ``installed`` is Functory's own folder of interpreters, asked first; each of ``jvms`` holds Javas.

    ``stand_ins``: by identifier, the only candidate there is, of any version.
    """

    installed: Path
    path: tuple[Path, ...]
    pyenv: Path
    uv: Path
    nvm: Path
    home: Path
    jvms: tuple[Path, ...] = ()
    dotnets: tuple[Path, ...] = ()
    stand_ins: Mapping[str, Path] = field(default_factory=dict)

    @staticmethod
    def of(environ: Mapping[str, str], installed: Path, stand_ins: Mapping[str, Path] | None = None) -> Places:
        """The usual places for the user that ``environ`` belongs to."""
        home = Path(environ.get("HOME") or Path.home())
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
        path = [Path(part) for part in environ.get("PATH", "").split(os.pathsep) if part.startswith("/")]
        path += [Path("/usr/local/bin"), Path("/usr/bin")]
        return Places(
            installed=installed,
            path=tuple(dict.fromkeys(folder for folder in path if folder.name != "shims")),
            pyenv=Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
            uv=Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python"),
            nvm=Path(environ.get("NVM_DIR") or home / ".nvm") / "versions/node",
            home=home,
            jvms=_jvm_folders(environ, home),
            dotnets=_dotnet_folders(environ, home),
            stand_ins=stand_ins or {},
        )

    def fingerprint(self) -> tuple[int, ...]:
        """Changes when something is put into one of the places, or taken away."""
        folders = (self.installed, *self.path, self.pyenv, self.uv, self.nvm, *self.jvms, *self.dotnets)
        return tuple(_changed_at(folder) for folder in folders)


def parse_stand_ins(entries: Iterable[str], definitions: Mapping[str, Definition]) -> dict[str, Path]:
    """The setting ``runtimes.stand_ins``: interpreter by identifier.

    Raises:
        SettingsError: the text names the entry.
    """
    found = {}
    for entry in entries:
        runtime, _, path = entry.partition("=")
        if runtime not in definitions or not path.startswith("/"):
            raise SettingsError(f"setting runtimes.stand_ins: {entry!r} is not runtime=/path/of/interpreter")
        if definitions[runtime].language in ("python", "provided"):
            raise SettingsError(f"setting runtimes.stand_ins: nothing can stand in for {runtime}")
        found[runtime] = Path(path)
    return found


def search(definition: Definition, places: Places) -> Search:
    """Look for the interpreter of ``definition``. Blocks: executes what it finds."""
    if definition.id in places.stand_ins:
        outcome = _check_any(definition, places.stand_ins[definition.id], places.home)
        return Search(found=outcome) if isinstance(outcome, Interpreter) else Search(None, (outcome,))
    find = {"python": _pythons, "nodejs": _nodes, "java": _javas, "ruby": _rubies, "dotnet": _dotnets}[definition.language]
    rejected = []
    for outcome in find(definition, places):
        if isinstance(outcome, Interpreter):
            return Search(found=outcome)
        rejected.append(outcome)
    return Search(found=None, rejected=tuple(dict.fromkeys(rejected)))


def _check_any(definition: Definition, candidate: Path, home: Path) -> Interpreter | str:
    """Execute a stand-in; the interpreter behind it whatever its version, or why it will not do."""
    match definition.language:
        case "ruby":
            return check_ruby(candidate, "", home)
        case "dotnet":
            return check_dotnet(candidate, "")
        case "java":
            return check_java(candidate, "")
        case _:
            return check_node(candidate, "", has_own_prefix=False)


def _pythons(definition: Definition, places: Places) -> Iterator[Interpreter | str]:
    name = f"python{definition.version}"
    roots = [
        *_newest(places.installed.glob(f"{definition.id}-*")),
        *_newest(places.pyenv.glob(f"{definition.version}*")),
        *_newest(places.uv.glob(f"cpython-{definition.version}*")),
    ]
    own = [root / "bin" / name for root in roots if root.is_relative_to(places.installed)]
    others = [root / "bin" / name for root in roots if not root.is_relative_to(places.installed)]
    for candidate in _existing([*own, *(folder / name for folder in places.path), *others]):
        yield check_python(candidate, definition.version, places.home)


def _nodes(definition: Definition, places: Places) -> Iterator[Interpreter | str]:
    own = [root / "bin/node" for root in _newest(places.installed.glob(f"{definition.id}-*"))]
    nvm = [root / "bin/node" for root in _newest(places.nvm.glob(f"v{definition.version}.*"))]
    dedicated = set(own) | set(nvm)
    named = [folder / name for folder in places.path for name in (f"node{definition.version}", f"node-{definition.version}")]
    plain = [folder / "node" for folder in places.path]
    for candidate in _existing([*own, *named, *plain, *nvm]):
        yield check_node(candidate, definition.version, has_own_prefix=candidate in dedicated)


def _javas(definition: Definition, places: Places) -> Iterator[Interpreter | str]:
    roots = [*_newest(places.installed.glob(f"java{definition.version}[-.]*"))]  # java17 and java17.al2023 share theirs
    for folder in places.jvms:
        named = [home for home in _newest(folder.iterdir()) if definition.version in home.name] if folder.is_dir() else []
        roots += named
    for candidate in _existing([*(root / "bin/java" for root in roots), *(folder / "java" for folder in places.path)]):
        yield check_java(candidate, definition.version)


def _rubies(definition: Definition, places: Places) -> Iterator[Interpreter | str]:
    names = (f"ruby{definition.version}", "ruby")
    own = _newest(places.installed.glob(f"{definition.id}-*"))
    rbenv = _newest((places.home / ".rbenv/versions").glob(f"{definition.version}.*"))
    candidates = [root / "bin/ruby" for root in own]
    candidates += [folder / name for folder in places.path for name in names]
    candidates += [root / "bin/ruby" for root in rbenv]
    for candidate in _existing(candidates):
        yield check_ruby(candidate, definition.version, places.home)


def _dotnets(definition: Definition, places: Places) -> Iterator[Interpreter | str]:
    roots = [*_newest(places.installed.glob(f"{definition.id}-*")), *places.dotnets]
    for candidate in _existing([*(root / "dotnet" for root in roots), *(folder / "dotnet" for folder in places.path)]):
        yield check_dotnet(candidate, definition.version)


def _dotnet_folders(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Folders that hold .NET, all versions of it in one."""
    own = [Path(environ["DOTNET_ROOT"])] if environ.get("DOTNET_ROOT", "").startswith("/") else []
    return tuple(dict.fromkeys([*own, Path("/usr/lib/dotnet"), Path("/usr/share/dotnet"), home / ".dotnet"]))


def _jvm_folders(environ: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Folders that hold one Java per entry."""
    own = [Path(environ["JAVA_HOME"]).parent] if environ.get("JAVA_HOME", "").startswith("/") else []
    sdkman = Path(environ.get("SDKMAN_DIR") or home / ".sdkman") / "candidates/java"
    return tuple(dict.fromkeys([*own, Path("/usr/lib/jvm"), Path("/opt/java"), sdkman]))


def check_python(candidate: Path, version: str, home: Path) -> Interpreter | str:
    """Execute ``candidate``; the interpreter behind it, or why it will not do."""
    answer = _ask([str(candidate), "-I", "-S", "-c", _PYTHON_PROBE])
    try:
        exact, base, implementation, level, abi = json.loads(answer)
    except ValueError:
        return f"{candidate} does not run"
    if implementation != "cpython" or "t" in abi or "d" in abi:
        return f"{candidate} is {implementation} {exact}{abi}, not a plain CPython"
    if exact.rpartition(".")[0] != version:
        return f"{candidate} is Python {exact}"
    prefix = Path(base).resolve()
    executable = prefix / "bin" / f"python{version}"
    if not executable.exists():
        return f"{candidate}: its prefix {prefix} has no bin/python{version}"
    if prefix in (Path("/"), home, home / ".local"):
        return f"{candidate}: its prefix {prefix} holds more than the interpreter and cannot be given to functions"
    shown = exact if level == "final" else f"{exact}{level}"
    if prefix == SYSTEM:
        return Interpreter(version=shown, executable=executable, prefix=None)
    needed = [executable, prefix / f"lib/python{version}/os.py", prefix / f"lib/python{version}/lib-dynload"]
    needed += prefix.glob(f"lib/libpython{version}*")
    return _unreadable(prefix, needed) or Interpreter(version=shown, executable=executable, prefix=prefix)


def check_node(candidate: Path, version: str, *, has_own_prefix: bool) -> Interpreter | str:
    """Execute ``candidate``; the interpreter behind it, or why it will not do. Here and below: ``""`` is every version."""
    answer = _ask([str(candidate), "--version"]).strip()
    match = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        return f"{candidate} does not run"
    if version and match[1] != version:
        return f"{candidate} is Node.js {answer[1:]}"
    executable = candidate.resolve()
    prefix = candidate.parent.parent.resolve() if has_own_prefix else None
    if prefix is not None:
        problem = _unreadable(prefix, [executable])
        if problem is not None:
            return problem
    return Interpreter(version=answer[1:], executable=executable, prefix=prefix)


def check_java(candidate: Path, version: str) -> Interpreter | str:
    """Execute ``candidate``; the interpreter behind it, or why it will not do. Options are HotSpot's, so it must be one."""
    answer = _ask([str(candidate), "-XshowSettings:properties", "-version"], stderr=True)
    facts = {name: re.search(rf"^\s*{re.escape(name)} = (.*)$", answer, re.MULTILINE) for name in _JAVA_FACTS}
    home, exact, major, machine = (match[1].strip() if match else "" for match in facts.values())
    if not home or not exact:
        return f"{candidate} does not run"
    if version and major.removeprefix("1.") != version:
        return f"{candidate} is Java {exact}"
    if "OpenJ9" in machine:
        return f"{candidate} is {machine}, not HotSpot"
    prefix = Path(home).resolve()
    needed = [prefix / "bin/java", prefix / "lib/server/libjvm.so", prefix / "lib/modules", prefix / "lib/rt.jar"]
    return _unreadable(prefix, needed) or Interpreter(version=exact, executable=prefix / "bin/java", prefix=prefix)


def check_ruby(candidate: Path, version: str, home: Path) -> Interpreter | str:
    """Execute ``candidate``; the interpreter behind it, or why it will not do."""
    answer = _ask([str(candidate), "--disable-gems", "-e", _RUBY_PROBE]).splitlines()
    if len(answer) != 4:
        return f"{candidate} does not run"
    exact, engine, base, program = answer
    if engine != "ruby":
        return f"{candidate} is {engine} {exact}, not the usual Ruby"
    if version and exact.rpartition(".")[0] != version:
        return f"{candidate} is Ruby {exact}"
    prefix, executable = Path(base).resolve(), Path(program)
    if prefix == SYSTEM:
        return Interpreter(version=exact, executable=executable, prefix=None)
    if prefix in (Path("/"), home, home / ".local"):
        return f"{candidate}: its prefix {prefix} holds more than the interpreter and cannot be given to functions"
    needed = [executable, *prefix.glob(f"lib/ruby/{exact.rpartition('.')[0]}.0"), *prefix.glob("lib/libruby*")]
    return _unreadable(prefix, needed) or Interpreter(version=exact, executable=executable, prefix=prefix)


def check_dotnet(candidate: Path, version: str) -> Interpreter | str:
    """Execute ``candidate``; the folder of .NET behind it, or why it will not do."""
    answer = _ask([str(candidate), "--list-runtimes"])
    found = re.findall(r"^Microsoft\.NETCore\.App (\d+)\.(\d+)\.(\d+) \[(.+)\]$", answer, re.MULTILINE)
    if not found:
        return f"{candidate} does not run, or has no runtime"
    named = [(tuple(int(part) for part in numbers), Path(folder)) for *numbers, folder in found]
    fitting = [(numbers, folder) for numbers, folder in named if version in ("", str(numbers[0]))]
    if not fitting:
        return f"{candidate} has .NET {', '.join('.'.join(numbers) for *numbers, _ in found)}"
    numbers, folder = max(fitting)
    exact = ".".join(str(number) for number in numbers)
    prefix = folder.parent.parent.resolve()
    needed = [prefix / "dotnet", folder / exact / "System.Private.CoreLib.dll", *prefix.glob("host/fxr/*/libhostfxr.so")]
    return _unreadable(prefix, needed) or Interpreter(version=exact, executable=prefix / "dotnet", prefix=prefix)


def _ask(argv: list[str], *, stderr: bool = False) -> str:
    """What a short command prints, or "" when it fails. The caller's environment does not change the answer."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    try:
        done = subprocess.run(  # noqa: S603  executing candidates is what this module is for
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if stderr else subprocess.DEVNULL,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environ,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _unreadable(prefix: Path, needed: Iterable[Path]) -> str | None:
    """Why another user could not run what is in ``prefix``, looking from ``prefix`` down; None when it can."""
    for path in needed:
        if not path.exists():
            continue
        inside = [folder for folder in path.parents if folder.is_relative_to(prefix)]
        for step in [*inside, path]:
            mode = step.stat().st_mode
            wanted = stat.S_IROTH | stat.S_IXOTH if step.is_dir() or step.parent.name == "bin" else stat.S_IROTH
            if mode & wanted != wanted:
                return f"{step} cannot be read by the users functions run as; allow it with: chmod -R o+rX {prefix}"
    return None


def _existing(candidates: Iterable[Path]) -> Iterator[Path]:
    seen = set()
    for candidate in candidates:
        if candidate not in seen and os.access(candidate, os.X_OK) and not candidate.is_dir():
            seen.add(candidate)
            yield candidate


def _newest(folders: Iterable[Path]) -> list[Path]:
    """Highest version first, by the numbers in the name; finished versions before previews of the same numbers."""
    return sorted(folders, key=lambda f: [int(number) for number in re.findall(r"\d+", f.name)], reverse=True)


def _changed_at(folder: Path) -> int:
    """When a folder was changed, or 0 where there is none that this user can see."""
    try:
        return folder.stat().st_mtime_ns if folder.is_dir() else 0
    except OSError:
        return 0
