"""Runtime definitions: the TOML files under ``definitions/``, read and checked.

A file says everything Functory knows of an identifier: which interpreter it needs, the command that starts it, the
variables AWS gives it, what its runtime folder (``/var/runtime``) is made of and where an interpreter can be had. An
identifier without a file is unknown.
"""

from __future__ import annotations

import datetime
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

Language = Literal["python", "nodejs", "java", "ruby", "dotnet", "provided"]
Standby = Literal["", "any", "memory"]

NAMES: Mapping[Language, str] = {
    "python": "Python",
    "nodejs": "Node.js",
    "java": "Java",
    "ruby": "Ruby",
    "dotnet": ".NET",
    "provided": "",
}

FOLDER = Path(__file__).parent / "definitions"


def machine() -> str:
    """This machine's processor: ``x86_64``, ``arm64``, or what the machine calls it."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name, name)


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package of a registry that carries an interpreter.

    Attributes:
        registry: whose client fetches it.
        package: its name; ``{os}`` and ``{arch}`` stand for Node's names of this platform (``linux``, ``x64``). Maven's is
            ``group:artifact``.
        version: exact.
        file: path of the interpreter inside the archive, or of its folder; ``{machine}`` is ``x86_64`` or ``arm64``.
        classifier: which of the files under that name, with Maven; ``{machine}`` as above.
        sha256: of the file for each machine it exists for; empty where the registry's client checks what it brings.
    """

    registry: Literal["npm", "pypi", "maven"]
    package: str
    version: str
    file: str
    classifier: str = ""
    sha256: dict[str, str] = {}

    @property
    def is_for_this_machine(self) -> bool:
        """Whether there is one for this processor."""
        return not self.sha256 or machine() in self.sha256


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shape of a definition file."""

    id: str
    language: Language
    argv: tuple[str, ...]
    env: dict[str, str]
    version: str = ""
    deprecated: datetime.date | None = None
    preview: bool = False
    entrypoints: tuple[str, ...] = ()
    runtime_api_host: str = "169.254.100.1"
    standby: Standby = ""
    snap_start: bool = False
    get: tuple[str, ...] = ()
    pack: dict[str, str] = {}
    sdk: str = ""
    source: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """One runtime identifier.

    Attributes:
        id: Lambda's identifier.
        language: what kind of runtime it is.
        version: of the interpreter: ``3.12`` (major.minor) for Python and Ruby, ``22`` (major) for the others, ``""`` for
            none.
        argv: see `port.ReadyRuntime`.
        env: see `port.ReadyRuntime`.
        entrypoints: see `port.ReadyRuntime`.
        runtime_api_host: see `port.ReadyRuntime`.
        standby: see `port.ReadyRuntime`.
        snap_start: whether its client can be kept and restored. AWS: Python from 3.12, Java from 11, .NET from 8.
        deprecated: AWS's date ``YYYY-MM-DD``, or ``""``.
        is_preview: whether AWS offers it as a public preview only.
        get: commands that bring an interpreter to this machine.
        pack: exact version by name (PyPI; Maven's ``group:artifact``) of what the runtime folder holds.
        sdk: folder below ``javascript/`` with the lock file of the AWS SDK the runtime brings; ``""`` for none.
        sources: packages that carry the interpreter, best first.
    """

    id: str
    language: Language
    version: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    entrypoints: tuple[str, ...]
    runtime_api_host: str
    standby: Standby
    snap_start: bool
    deprecated: str
    is_preview: bool
    get: tuple[str, ...]
    pack: Mapping[str, str]
    sdk: str
    sources: tuple[Source, ...]

    @property
    def interpreter(self) -> str:
        """The interpreter's name for people: ``Python 3.12``, ``Node.js 22``."""
        return NAMES[self.language] + f" {self.version}"

    @property
    def is_custom(self) -> bool:
        """Whether the function brings its own program."""
        return self.language == "provided"

    @property
    def has_fetched_pack(self) -> bool:
        """Whether what its runtime folder holds has to be fetched, by ``functory runtimes install``."""
        return bool(self.pack)


def parse(document: Mapping[str, Any]) -> Definition:
    """A definition from the content of its file. Sources for other processors are left out.

    Raises:
        msgspec.ValidationError: the content has not the shape of a definition.
    """
    file = msgspec.convert(document, _File)
    return Definition(
        id=file.id,
        language=file.language,
        version=file.version,
        argv=file.argv,
        env=file.env,
        entrypoints=file.entrypoints,
        runtime_api_host=file.runtime_api_host,
        standby=file.standby,
        snap_start=file.snap_start,
        deprecated=file.deprecated.isoformat() if file.deprecated else "",
        is_preview=file.preview,
        get=file.get,
        pack=file.pack,
        sdk=file.sdk,
        sources=tuple(source for source in file.source if source.is_for_this_machine),
    )


def load_all(folder: Path = FOLDER) -> dict[str, Definition]:
    """Every definition by identifier, in the order people expect (``python3.9`` before ``python3.10``)."""
    definitions = [parse(tomllib.loads(file.read_text(encoding="utf-8"))) for file in folder.glob("*.toml")]
    definitions.sort(key=lambda d: (d.language, tuple(int(part) for part in d.version.split(".") if part), d.id))
    return {definition.id: definition for definition in definitions}
