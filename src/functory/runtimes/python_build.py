"""A Python interpreter out of a build that a Maven repository carries.

The JavaCPP project publishes CPython for embedding into Java programs: interpreter, library and standard library, linked so
that they run from any folder. What is taken of it is what Lambda's own folder has: no packages (``pip``, ``setuptools``), no
tests, no window toolkit, no headers. Three things are put right:

- The libraries move to where the linker looks in an ordinary installation: ``libpython`` to ``lib``, ``libffi`` beside the
  modules.
- OpenSSL is linked in and looks for certificates in the folder it was built in. The paths in the modules are overwritten in
  place with the machine's, so that no variable is needed that Lambda does not have.
- The standard library is compiled ahead, because functions see it read-only.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from functory.runtimes import packs
from functory.runtimes.packs import InstallError

_MAX_FILES = 20_000
_MAX_BYTES = 512 * 1024 * 1024
_COMPILE_TIMEOUT_S = 300
_CHECK_TIMEOUT_S = 60

_UNWANTED = {"__pycache__", "idlelib", "site-packages", "test", "tests", "tkinter", "turtledemo"}
_NEEDED = ("ctypes", "decimal", "hashlib", "json", "select", "socket", "ssl", "unicodedata", "zlib")
_EXPECTED = ("bz2", "curses", "lzma", "readline", "sqlite3")
_CHECK = """
import importlib, json, sys
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
print(json.dumps(failed))
"""

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-bundle.crt")
_CERTIFICATE_FILE = re.compile(rb'(/[^\0"]*)/cert\.pem\0')
_CERTIFICATES = b"/etc/ssl/certs"
_CONFIGURATION = b"/var/lang/ssl"


def make(jar: Path, folder: str, version: str, work: Path) -> dict[str, str]:
    """Fill ``work`` with the interpreter ``version`` (major.minor) that lies in ``folder`` of ``jar``, and try it.

    Returns:
        The modules that Lambda has and that do not work here, with the reason: the build lacks them, or this machine lacks
        a library.

    Raises:
        InstallError: the build cannot be used.
    """
    try:
        with zipfile.ZipFile(jar) as archive:
            _unpack(archive, PurePosixPath(folder), version, work)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InstallError(f"{jar.name} cannot be unpacked: {error}") from error
    executable = work / "bin" / f"python{version}"
    library = work / "lib" / f"python{version}"
    if not executable.is_file() or not (library / "lib-dynload").is_dir():
        raise InstallError(f"{jar.name} does not hold Python {version}")
    _link(executable, library)
    for module in (library / "lib-dynload").glob("*.so"):
        content = module.read_bytes()
        trusting = trust_machine(content)
        if trusting != content:
            module.write_bytes(trusting)
    packs.run_tool(
        [str(executable), "-I", "-S", "-B", "-m", "compileall", *_compile_options(work), str(library)], _COMPILE_TIMEOUT_S
    )
    packs.make_readable(work)
    return _try(executable)


def _unpack(archive: zipfile.ZipFile, folder: PurePosixPath, version: str, work: Path) -> None:
    wanted: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if info.is_dir() or not path.is_relative_to(folder):
            continue
        if ".." in path.parts or stat.S_ISLNK(info.external_attr >> 16):
            raise InstallError(f"the archive holds {info.filename}, which may lead elsewhere")
        target = place(path.relative_to(folder), version)
        if target is not None:
            wanted[target] = info
    if len(wanted) > _MAX_FILES or sum(info.file_size for info in wanted.values()) > _MAX_BYTES:
        raise InstallError(f"the archive holds more than {_MAX_FILES} files or {_MAX_BYTES} bytes")
    for target, info in wanted.items():
        file = work / target
        file.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as stream, file.open("xb") as out:
            shutil.copyfileobj(stream, out)
    (work / "bin" / f"python{version}").chmod(0o755)


def place(path: PurePosixPath, version: str) -> PurePosixPath | None:
    """Where a file of the build belongs in the interpreter's folder; None when it is not needed."""
    name = f"python{version}"
    match path.parts:
        case ("bin", program):
            return path if program == name else None
        case (library,):
            is_needed = library.startswith(f"lib{name}.so") or re.fullmatch(r"libffi\.so\.\d+", library)
            return PurePosixPath("lib", library) if is_needed else None
        case ("lib", root, "lib-dynload", module):
            return (
                path if root == name and "test" not in module and not module.startswith(("_tkinter", "xxlimited")) else None
            )
        case ("lib", root, first, *rest):
            is_unwanted = _UNWANTED & {first, *rest} or first.startswith("config-")
            return path if root == name and not is_unwanted else None
    return None


def trust_machine(module: bytes) -> bytes:
    """A compiled module whose OpenSSL, if it has one, looks for certificates where this machine keeps them.

    The configuration file is looked for below ``/var/lang``, where there is none: the machine's own is written for another
    OpenSSL. Lengths do not change: strings in a compiled module end with a zero byte, and what is left over becomes zero.

    Raises:
        InstallError: a path of the machine is longer than the one it takes the place of.
    """
    built = _CERTIFICATE_FILE.search(module)
    if built is None:
        return module
    bundle = next((name for name in _BUNDLES if Path(name).is_file()), _BUNDLES[0]).encode()
    for old, new in ((b"/cert.pem", bundle), (b"/certs", _CERTIFICATES), (b"", _CONFIGURATION)):
        before = built[1] + old + b"\0"
        if len(new) >= len(before):
            raise InstallError(f"the path of the certificates, {new.decode()}, does not fit into this build")
        module = module.replace(before, new.ljust(len(before), b"\0"))
    return module


def _link(executable: Path, library: Path) -> None:
    for name in ("python3", "python"):
        (executable.parent / name).symlink_to(executable.name)
    for file in library.parent.glob("libffi.so.*"):
        (library / "lib-dynload" / file.name).symlink_to(f"../../{file.name}")


def _compile_options(work: Path) -> list[str]:
    return ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(work), "-p", "/var/lang"]


def _try(executable: Path) -> dict[str, str]:
    """Import what functions may expect; what failed of it, by name, with the reason."""
    argv = [str(executable), "-I", "-S", "-B", "-c", _CHECK, *_NEEDED, *_EXPECTED]
    failed: Mapping[str, str] = json.loads(packs.run_tool(argv, _CHECK_TIMEOUT_S, {}))
    broken = [f"{name} ({reason})" for name, reason in failed.items() if name in _NEEDED]
    if broken:
        raise InstallError(f"it does not work on this machine: {', '.join(broken)}")
    return dict(failed)
