"""The parts of the root folder that need no mounts."""

from __future__ import annotations

from pathlib import Path

from functory.sandbox.rootfs import ETC_FILES, _make_etc


def test_etc_has_our_files_and_copies_what_everybody_may_read(tmp_path: Path) -> None:
    host, made = tmp_path / "host", tmp_path / "made"
    (host / "alternatives").mkdir(parents=True)
    (host / "alternatives" / "java").symlink_to("/usr/lib/jvm/bin/java")
    (host / "java-17-openjdk" / "security").mkdir(parents=True)
    (host / "java-17-openjdk" / "security" / "java.security").write_text("providers")
    (host / "java-17-openjdk" / "key").write_text("secret")
    (host / "java-17-openjdk" / "key").chmod(0o600)
    (host / "ssl" / "certs").mkdir(parents=True)
    (host / "ssl" / "private").mkdir()
    (host / "ssl" / "openssl.cnf").write_text("[x]")
    (host / "shadow").write_text("root:hash")
    (host / "passwd").write_text("alice:x:1000:1000::/home/alice:/bin/sh")
    (host / "services").write_text("http 80/tcp")
    made.mkdir()
    _make_etc(made, host)
    assert (made / "alternatives" / "java").readlink() == Path("/usr/lib/jvm/bin/java")
    assert (made / "java-17-openjdk" / "security" / "java.security").read_text() == "providers"
    assert not (made / "java-17-openjdk" / "key").exists()
    assert (made / "ssl" / "openssl.cnf").read_text() == "[x]"
    assert list((made / "ssl" / "certs").iterdir()) == []  # bound later
    assert not (made / "ssl" / "private").exists()
    assert not (made / "shadow").exists()
    assert (made / "services").exists()
    assert "alice" not in (made / "passwd").read_text()


def test_the_user_and_the_hosts_are_lambdas() -> None:
    assert "sbx_user1051:x:993:990:" in ETC_FILES["passwd"]
    assert "127.0.0.1 localhost\n169.254.100.1 sandbox.localdomain" in ETC_FILES["hosts"]
