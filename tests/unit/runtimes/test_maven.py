from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from functory.runtimes import maven
from functory.runtimes.maven import Jar, fetch, mirror
from functory.runtimes.packs import InstallError

CONTENT = b"a jar"
JAR = Jar("org.some", "thing", "1.2-3", "linux-x86_64", hashlib.sha256(CONTENT).hexdigest())
PATH = "/maven/org/some/thing/1.2-3/thing-1.2-3-linux-x86_64.jar"


def client(root: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A fake Maven: ``script`` sees its arguments, and the folder to write to as ``$to``."""
    tool = root / "tools/mvn"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nfor a in "$@"; do case $a in -DoutputDirectory=*) to=${{a#*=}};; esac; done\n{script}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Maven, and without a proxy between the test and itself."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def repository() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == PATH else 404)
            self.end_headers()
            if self.path == PATH:
                self.wfile.write(CONTENT)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/maven/"
    server.shutdown()
    thread.join()
    server.server_close()


def settings(home: Path, mirrors: str) -> Path:
    file = home / ".m2/settings.xml"
    file.parent.mkdir(parents=True)
    file.write_text(f'<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors>{mirrors}</mirrors></settings>')
    return file


def entry(covers: str, address: str) -> str:
    return f"<mirror><id>m</id><mirrorOf>{covers}</mirrorOf><url>{address}</url></mirror>"


def test_mavens_own_client_is_asked_for_exactly_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, monkeypatch, f'printf "a jar" > "$to/{JAR.name}"; echo "$@" > {tmp_path}/asked')
    into = tmp_path / "into"
    into.mkdir()

    assert fetch(JAR, into, "http://127.0.0.1:1/never", tmp_path).read_bytes() == CONTENT
    assert "-Dartifact=org.some:thing:1.2-3:jar:linux-x86_64" in (tmp_path / "asked").read_text().split()
    assert [file.name for file in into.iterdir()] == [JAR.name]


def test_a_file_with_another_sum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, monkeypatch, f'echo other > "$to/{JAR.name}"')
    with pytest.raises(InstallError, match="is not what it should be"):
        fetch(JAR, tmp_path, "", tmp_path)


def test_a_client_that_fails_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, monkeypatch, "echo '[ERROR] no such artifact'; exit 1")
    with pytest.raises(InstallError, match=r"status 1:\n\[ERROR\] no such artifact"):
        fetch(JAR, tmp_path, "", tmp_path)


def test_a_client_that_brings_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, monkeypatch, "true")
    with pytest.raises(InstallError, match="did not bring"):
        fetch(JAR, tmp_path, "", tmp_path)


@pytest.mark.usefixtures("nothing")
def test_without_maven_it_comes_from_the_repository_of_the_setting(tmp_path: Path, repository: str) -> None:
    assert fetch(JAR, tmp_path, repository, tmp_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("nothing")
def test_without_maven_and_setting_it_comes_from_the_mirror_of_mavens_settings(tmp_path: Path, repository: str) -> None:
    settings(tmp_path, entry("*", repository))
    assert fetch(JAR, tmp_path, "", tmp_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("nothing")
def test_without_any_of_them_the_error_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"apt-get install maven, or name .* in the setting runtimes\.maven_repository"):
        fetch(JAR, tmp_path, "", tmp_path)


@pytest.mark.usefixtures("nothing")
def test_a_repository_that_has_it_not_is_named(tmp_path: Path, repository: str) -> None:
    with pytest.raises(InstallError, match=r"could not be downloaded from 127\.0\.0\.1: HTTP Error 404"):
        fetch(JAR, tmp_path, f"{repository}/other", tmp_path)


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("address", ["file:///etc", "repository", "https://"])
def test_an_address_that_is_no_web_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(InstallError, match="must be an address that starts with https"):
        fetch(JAR, tmp_path, address, tmp_path)


@pytest.mark.usefixtures("nothing")
def test_a_download_ends_where_it_gets_too_large(tmp_path: Path, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven, "MAX_BYTES", 3)
    with pytest.raises(InstallError, match="is larger than 3 bytes"):
        fetch(JAR, tmp_path, repository, tmp_path)


def test_the_first_mirror_of_the_central_repository_counts(tmp_path: Path) -> None:
    others = entry("internal", "https://a/") + entry("*,!central", "https://b/") + entry("*", "https://${env.HOST}/")
    file = settings(tmp_path, others + entry("x, external:*", " https://c/ ") + entry("central", "https://d/"))
    assert mirror(file) == "https://c/"


def test_settings_that_are_absent_or_broken_name_no_mirror(tmp_path: Path) -> None:
    assert mirror(tmp_path / "none.xml") == ""
    file = settings(tmp_path, "<mirror>")
    assert mirror(file) == ""
