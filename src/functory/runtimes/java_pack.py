"""``/var/runtime`` of Java: AWS's runtime interface client from Maven, and an archive of its loaded classes.

Maven fetches exactly the pinned artifacts, with the user's own settings and mirrors. The client's native part is taken
out of its jar once, here, so that no environment has to unpack it.

**The archive** (class-data sharing) saves the virtual machine from parsing the client's classes at every start. It is
recorded by running the client once against a Runtime API that hands out one event and then ends. A virtual machine accepts
an archive only when interpreter and class path are those it was recorded with, path by path, so the recording happens in a
mount namespace where both lie where functions see them. From Java 17 on a virtual machine writes it on its way out; an
earlier one writes a list of classes, of which a second one makes the archive. Where that is not possible (not root, no
``unshare``, Java 8), or when the interpreter changed since, Java starts without it, some tenths of a second slower.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import socket
import subprocess
import threading
import zipfile
from pathlib import Path

from functory.runtimes import packs
from functory.runtimes.definitions import Definition
from functory.runtimes.interpreters import Interpreter
from functory.runtimes.packs import InstallError

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MAVEN_TIMEOUT_S = 600
_ARCHIVE_TIMEOUT_S = 60
_ROUND_S = 0.1
_ARCHIVE_FROM = 11
_AT_EXIT_FROM = 17
_NATIVE = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch_64", "arm64": "aarch_64"}
_HANDLER = "java.util.Collections::unmodifiableMap"
"""A function every Java has: it takes the event as an object and answers with it, through the client's JSON code."""

_ARCHIVE = "/var/runtime/lib/runtime.jsa"
_CLASSES = "/var/runtime/lib/classes.lst"

_AT_THEIR_PLACES = """
set -e
mount --make-rprivate /
mkdir -p "$2/runtime" "$2/lang"
mount --rbind "$1" "$2/lang"
mount --bind . "$2/runtime"
mount --rbind "$2" /var
shift 2
cd /
exec "$@"
"""


def make_java_pack(
    definition: Definition, interpreter: Interpreter, runtimes: Path
) -> tuple[Path, list[dict[str, str]], str]:
    """Make the pack of a Java runtime.

    Returns:
        Its folder; what went into it (name, version and sha256 of each artifact; empty when it was there already); and why
        it has no archive, or ``""``.

    Raises:
        InstallError: Maven could not bring it.
    """
    final = packs.pack_path(definition, runtimes)
    if final.exists():
        return final, [], ""
    with packs.staging(final.parent) as work:
        library = work / "lib"
        _fetch(definition, library)
        contents = [_entry(name, version, library) for name, version in sorted(definition.pack.items())]
        _take_native_out(library)
        packs.copy_bootstrap(definition, work)
        work.chmod(0o755)
        without = _record(definition, interpreter, work)
        packs.publish(work, final)
    return final, contents, without


def _fetch(definition: Definition, library: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise InstallError(
            f"{definition.id} needs AWS's Java client from Maven, and mvn was not found. Get it with: apt-get install maven"
        )
    with packs.staging(library.parent.parent) as project:
        (project / "pom.xml").write_text(_project(definition), encoding="utf-8")
        argv = [maven, "-B", "-q", "-ntp", "-f", str(project / "pom.xml"), _PLUGIN]
        argv += ["-DexcludeTransitive=true", "-Dmdep.useRepositoryLayout=false", f"-DoutputDirectory={library}"]
        packs.run_tool(argv, _MAVEN_TIMEOUT_S)


def _project(definition: Definition) -> str:
    """A Maven project that depends on the pins and nothing else."""
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for name, version in sorted(definition.pack.items())
        for group, _, artifact in [name.partition(":")]
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>functory</groupId><artifactId>pack</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def _entry(name: str, version: str, library: Path) -> dict[str, str]:
    jar = library / f"{name.partition(':')[2]}-{version}.jar"
    if not jar.is_file():
        raise InstallError(f"Maven did not bring {name} {version}")
    return {"package": name, "version": version, "sha256": hashlib.sha256(jar.read_bytes()).hexdigest()}


def _take_native_out(library: Path) -> None:
    machine = platform.machine().lower()
    member = f"jni/libaws-lambda-jni.linux-{_NATIVE.get(machine, machine)}.so"
    (client,) = library.glob("aws-lambda-java-runtime-interface-client-*.jar")
    try:
        with zipfile.ZipFile(client) as jar:
            (library / "native.so").write_bytes(jar.read(member))
    except KeyError as error:
        raise InstallError(f"AWS's Java client has no native part for this machine ({machine})") from error


def _record(definition: Definition, interpreter: Interpreter, work: Path) -> str:
    """Make the archive; why it was not made, or ``""``."""
    if int(definition.version) < _ARCHIVE_FROM:
        return f"Java {definition.version} cannot record one"
    tool = shutil.which("unshare")
    if tool is None or interpreter.prefix is None:
        return "the tool unshare is not installed"
    archive, classes = work / "lib/runtime.jsa", work / "lib/classes.lst"
    argv = [tool, "--mount", "sh", "-c", _AT_THEIR_PLACES, "sh", str(interpreter.prefix)]
    with packs.staging(work.parent) as var:
        argv += [str(var), "/var/runtime/bootstrap", "/var/lang/bin/java", "/opt", "open-modules", "first-tier"]
        if int(definition.version) >= _AT_EXIT_FROM:
            words = _run_client(argv, work, f"-XX:ArchiveClassesAtExit={_ARCHIVE}")
        else:
            words = _run_client(argv, work, f"-Xshare:off -XX:DumpLoadedClassList={_CLASSES}")
            words += _run_client(
                argv, work, f"-Xshare:dump -XX:SharedClassListFile={_CLASSES} -XX:SharedArchiveFile={_ARCHIVE}"
            )
            classes.unlink(missing_ok=True)
    return "" if archive.is_file() else (words or ["the recording gave no reason"])[-1]


def _run_client(argv: list[str], work: Path, options: str) -> list[str]:
    """Start the client with ``options``, give it one event, end it; the lines it printed."""
    with _OneEvent() as api, (work.parent / f"{work.name}.log").open("w+b") as output:
        Path(output.name).unlink()
        client = subprocess.Popen(  # noqa: S603  fixed command
            argv, cwd=work, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environ(api.address, options)
        )
        try:
            api.wait_for_answer(client)
            client.terminate()  # a virtual machine writes the archive on its way out
            client.wait(_ARCHIVE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return ["the recording took too long"]
        finally:
            client.kill()
            client.wait()
        output.seek(0)
        return output.read().decode(errors="replace").strip().splitlines()


def _environ(address: str, options: str) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "_HANDLER": _HANDLER,
        "JAVA_TOOL_OPTIONS": f"{options} -Xmx256m -XX:-UsePerfData",
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "install",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/install",
        "AWS_LAMBDA_LOG_STREAM_NAME": "install",
    }


class _OneEvent:
    """A Runtime API that hands out one event, takes the answer and leaves the client waiting for the next."""

    def __enter__(self) -> _OneEvent:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ARCHIVE_TIMEOUT_S)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._answered = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()
        self._thread.join()

    def wait_for_answer(self, client: subprocess.Popen[bytes]) -> None:
        """Return when the answer came or the client has ended."""
        rounds = int(_ARCHIVE_TIMEOUT_S / _ROUND_S)
        for _ in range(rounds):
            if self._answered.wait(_ROUND_S) or client.poll() is not None:
                return
        raise subprocess.TimeoutExpired(client.args, _ARCHIVE_TIMEOUT_S)

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(_ARCHIVE_TIMEOUT_S)
                _read_request(connection)
                connection.sendall(_EVENT)
                _read_request(connection)
                connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                self._answered.set()
                self._over.wait(_ARCHIVE_TIMEOUT_S)
        except OSError:
            return  # the client ended early: its own words tell why


_EVENT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 1\r\n"
    b"Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Trace-Id: Root=1-0-0\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:install\r\n"
    b'Content-Length: 29\r\n\r\n{"a":"b","c":[1,2.5,true,{}]}'
)


def _read_request(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("closed")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("closed")
        body += piece
