"""Files of Maven repositories.

Maven's own client brings them, with the operator's settings, mirrors and credentials. Where it is not installed, the file is
downloaded from the repository that the setting ``runtimes.maven_repository`` names, or else a mirror in
``~/.m2/settings.xml``; Functory knows no repository of its own. Whoever brings it: the file must have the sha256 that is
asked for, so neither a repository nor a mirror is trusted.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

from functory.runtimes import packs
from functory.runtimes.packs import InstallError

MAX_BYTES = 128 * 1024 * 1024

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_CLIENT_TIMEOUT_S = 900
_SILENCE_S = 60
_PIECE_BYTES = 1024 * 1024
_PROJECT = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    "<groupId>functory</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging></project>"
)


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of a repository."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def name(self) -> str:
        """Its file name, the same everywhere."""
        return f"{self.artifact}-{self.version}-{self.classifier}.jar"

    @property
    def path(self) -> str:
        """Where a repository keeps it."""
        return quote("/".join((*self.group.split("."), self.artifact, self.version, self.name)))


def fetch(jar: Jar, folder: Path, repository: str, home: Path) -> Path:
    """Bring ``jar`` into ``folder``.

    Args:
        jar: what to bring.
        folder: an existing folder.
        repository: address for downloads without Maven; ``""`` when none was set.
        home: whose ``.m2/settings.xml`` counts then.

    Raises:
        InstallError: it could not be brought, or is not what it should be.
    """
    target = folder / jar.name
    client = shutil.which("mvn")
    if client is not None:
        _ask_client(client, jar, folder)
    else:
        address = repository or mirror(home / ".m2/settings.xml")
        if not address:
            raise InstallError(
                "mvn was not found. Get it with: apt-get install maven, "
                "or name a Maven repository in the setting runtimes.maven_repository"
            )
        _download(f"{address.rstrip('/')}/{jar.path}", target)
    if not target.is_file():
        raise InstallError(f"Maven did not bring {jar.name}")
    with target.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != jar.sha256:
        raise InstallError(f"{jar.name} is not what it should be: its sha256 is {found}, not {jar.sha256}")
    return target


def mirror(file: Path) -> str:
    """The address of the first mirror in Maven's settings that stands for the central repository, or ``""``.

    Addresses with placeholders are left to Maven itself.
    """
    try:
        root = ElementTree.fromstring(file.read_bytes())  # noqa: S314  the operator's own file
    except (OSError, ElementTree.ParseError):
        return ""
    for entry in _named(root, "mirror"):
        patterns = {part.strip() for text in _named(entry, "mirrorOf") for part in (text.text or "").split(",")}
        address = next((text.text or "" for text in _named(entry, "url")), "").strip()
        covers = patterns & {"*", "central", "external:*"} and "!central" not in patterns
        if covers and address.startswith(("http://", "https://")) and "${" not in address:
            return address
    return ""


def _named(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Elements of that name below ``element``, in whatever namespace."""
    return (found for found in element.iter() if found.tag.rpartition("}")[2] == name)


def _ask_client(client: str, jar: Jar, folder: Path) -> None:
    project = folder / "pom.xml"  # or Maven would take one of the current folder
    project.write_text(_PROJECT, encoding="utf-8")
    coordinates = f"{jar.group}:{jar.artifact}:{jar.version}:jar:{jar.classifier}"
    argv = [client, "-B", "-q", "-ntp", "-Dstyle.color=never", "-f", str(project), _PLUGIN]
    try:
        packs.run_tool([*argv, f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"], _CLIENT_TIMEOUT_S)
    finally:
        project.unlink()


def _download(address: str, target: Path) -> None:
    where = urlsplit(address)
    if where.scheme not in ("http", "https") or not where.hostname:
        raise InstallError("the setting runtimes.maven_repository must be an address that starts with https:// or http://")
    size = 0
    try:
        with urllib.request.urlopen(address, timeout=_SILENCE_S) as answer, target.open("wb") as out:  # noqa: S310
            while piece := answer.read(_PIECE_BYTES):
                size += len(piece)
                if size > MAX_BYTES:
                    raise InstallError(f"{target.name} is larger than {MAX_BYTES} bytes")
                out.write(piece)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InstallError(f"{target.name} could not be downloaded from {where.hostname}: {error}") from error
