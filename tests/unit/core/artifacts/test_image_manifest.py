from __future__ import annotations

import json
from typing import Any

import pytest

from functory.core.artifacts.image_errors import BadImage, ImageUnsupported
from functory.core.artifacts.image_manifest import find_in_index, parse_config, parse_manifest

DIGEST = "sha256:" + "a" * 64
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


def manifest(**changes: Any) -> bytes:
    whole = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": {"mediaType": f"{OCI}.config.v1+json", "digest": DIGEST, "size": 1},
        "layers": [{"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": DIGEST, "size": 1}],
    }
    return json.dumps({**whole, **changes}).encode()


def test_both_formats_are_read() -> None:
    assert [layer.is_compressed for layer in parse_manifest(manifest()).layers] == [True]
    docker = manifest(
        mediaType=f"{DOCKER}.distribution.manifest.v2+json",
        config={"mediaType": f"{DOCKER}.container.image.v1+json", "digest": DIGEST, "size": 1},
        layers=[{"mediaType": f"{DOCKER}.image.rootfs.diff.tar.gzip", "digest": DIGEST, "size": 1}],
    )
    assert parse_manifest(docker).config == DIGEST


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaType": f"{OCI}.index.v1+json"},
        {"mediaType": f"{DOCKER}.distribution.manifest.list.v2+json"},
        {"schemaVersion": 1},
        {"config": {"mediaType": "application/vnd.unknown.config.v1+json", "digest": DIGEST}},
        {"layers": [{"mediaType": f"{OCI}.layer.v1.tar+zstd", "digest": DIGEST}]},
        {"config": None},
    ],
)
def test_another_kind_of_manifest_is_not_supported(changes: dict[str, Any]) -> None:
    with pytest.raises(ImageUnsupported):
        parse_manifest(manifest(**changes))


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "sha512:" + "a" * 128, "a" * 64, ""])
def test_a_digest_that_is_none_is_refused(digest: str) -> None:
    with pytest.raises(BadImage):
        parse_manifest(manifest(layers=[{"mediaType": f"{OCI}.layer.v1.tar", "digest": digest}]))


def test_a_configuration_tells_how_the_image_is_run() -> None:
    inner = {"Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=1=2", "B="], "WorkingDir": "/w", "User": "1000"}
    config = parse_config(json.dumps({"architecture": "arm64", "os": "linux", "config": inner}).encode(), "arm64")
    assert (config.entry_point, config.command, config.working_directory) == (("/e",), ("c",), "/w")
    assert config.environment == {"A": "1=2", "B": ""}
    assert parse_config(b'{"architecture":"amd64","os":"linux","config":null}', "x86_64").command == ()


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b'{"architecture":"arm64","os":"linux"}', b'{"architecture":"amd64","os":"windows"}']
)
def test_a_configuration_for_another_machine_is_refused(content: bytes) -> None:
    with pytest.raises(BadImage):
        parse_config(content, "x86_64")


def test_an_index_is_searched_by_name() -> None:
    def entry(name: str, digest: str) -> dict[str, Any]:
        return {"digest": digest, "annotations": {"org.opencontainers.image.ref.name": name}}

    other = "sha256:" + "b" * 64
    index = json.dumps({"manifests": [entry("one", DIGEST), entry("two", other)]}).encode()
    assert find_in_index(index, "two") == other
    assert find_in_index(index, "three") is None
    assert find_in_index(index, "") is None
    assert find_in_index(json.dumps({"manifests": [{"digest": DIGEST}]}).encode(), "") == DIGEST
