from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from functory.core.artifacts.image_errors import ImageDenied, ImageMissing, ImageUnavailable
from functory.core.artifacts.image_source import ImageSource, Reference, parse
from functory.kernel.settings import ImageSettings
from tests.support.oci_images import Layout

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("localhost/a", Reference("localhost/a", "localhost", "", "")),
        ("127.0.0.1:5000/a/b-c:v1", Reference("127.0.0.1:5000/a/b-c", "127.0.0.1:5000", "v1", "")),
        (
            f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app@{DIGEST}",
            Reference(
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app",
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                "",
                DIGEST,
            ),
        ),
        ("oci:/srv/images/a:v1", Reference("oci:/srv/images/a", "", "v1", "")),
        (f"oci:/srv/a@{DIGEST}", Reference("oci:/srv/a", "", "", DIGEST)),
    ],
)
def test_an_address_is_taken_apart(uri: str, expected: Reference) -> None:
    assert parse(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "app",
        "library/app:v1",
        "localhost/UPPER",
        "oci:relative:v1",
        "--help",
        "localhost/a:-x",
        "localhost/a b",
        "a.b/c\n",
    ],
)
def test_what_is_no_address_is_none(uri: str) -> None:
    assert parse(uri) is None


def need(uri: str) -> Reference:
    reference = parse(uri)
    assert reference is not None
    return reference


def test_a_layout_outside_the_allowed_folders_is_denied(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "allowed/layout")
    digest = layout.add("v1", [{"a": "1"}])
    (tmp_path / "elsewhere").symlink_to(tmp_path / "allowed")
    (tmp_path / "allowed/out").symlink_to(tmp_path)
    source = ImageSource(ImageSettings(folders=(str(tmp_path / "allowed"),)))
    for uri in (f"oci:{layout.path}:v1", f"oci:{tmp_path}/elsewhere/layout:v1", f"oci:{layout.path}@{digest}"):
        assert asyncio.run(source.manifest(need(uri)))[0] == digest
    for folder in (tmp_path, tmp_path / "allowed/..", tmp_path / "allowed/out"):
        with pytest.raises(ImageDenied):
            asyncio.run(source.manifest(need(f"oci:{folder}:v1")))
    with pytest.raises(ImageMissing):
        asyncio.run(source.manifest(need(f"oci:{layout.path}:v2")))
    with pytest.raises(ImageMissing):
        asyncio.run(source.manifest(need(f"oci:{layout.path}@{DIGEST}")))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("reading manifest v9: manifest unknown", ImageMissing),
        ("unauthorized: authentication required", ImageDenied),
        ("dial tcp: connection refused", ImageUnavailable),
    ],
)
def test_what_skopeo_says_is_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, kind: type[Exception]
) -> None:
    tool = tmp_path / "skopeo"
    tool.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(kind, match=words.split(":", maxsplit=1)[0]):
        asyncio.run(ImageSource(ImageSettings()).manifest(need("localhost:5000/a:v9")))


def test_without_skopeo_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageUnavailable, match="apt-get install skopeo"):
        asyncio.run(ImageSource(ImageSettings()).manifest(need("localhost:5000/a")))


def test_only_a_registry_that_is_set_so_is_spoken_to_without_verified_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "skopeo"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    source = ImageSource(ImageSettings(insecure_registries=("127.0.0.1:5000",)))
    for registry in ("127.0.0.1:5000", "127.0.0.1:5001"):
        asyncio.run(source.manifest(need(f"{registry}/a")))
    assert (tmp_path / "calls").read_text().splitlines() == [
        "inspect --raw --tls-verify=false docker://127.0.0.1:5000/a:latest",
        "inspect --raw docker://127.0.0.1:5001/a:latest",
    ]
