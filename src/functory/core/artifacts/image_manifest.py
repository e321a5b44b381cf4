"""Manifests and configurations of container images, read and judged. Pure.

Taken are single-platform images in Docker's format (manifest version 2, schema 2) and OCI's, with layers that are tar
files, plain or gzip. AWS: the same; an index of several platforms is refused there as well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from functory.core.artifacts.image_errors import BadImage, ImageUnsupported

_MANIFESTS = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
_CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
_LAYERS: Mapping[str, bool] = {
    "application/vnd.oci.image.layer.v1.tar": False,
    "application/vnd.oci.image.layer.v1.tar+gzip": True,
    "application/vnd.docker.image.rootfs.diff.tar": False,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": True,
}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LAYERS_MAX = 127  # what Docker allows
MANIFEST_BYTES = 4 * 1024 * 1024


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A reference to a blob."""

    digest: str
    media_type: str = ""
    size: int = 0
    annotations: dict[str, str] | None = None


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int
    config: Descriptor
    layers: list[Descriptor]
    media_type: str = ""


class _Inner(msgspec.Struct, frozen=True, rename="pascal"):
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    env: list[str] | None = None
    working_dir: str | None = None


class _Config(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    config: _Inner | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image."""

    digest: str
    is_compressed: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image is made of: the digest of its configuration, and its layers, lowest first."""

    config: str
    layers: tuple[Layer, ...]


class ImageConfig(msgspec.Struct, frozen=True):
    """What an image says of how it is run; kept beside its unpacked files.

    Attributes:
        entry_point: ENTRYPOINT.
        command: CMD.
        environment: ENV.
        working_directory: WORKDIR, ``""`` for none.
    """

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    working_directory: str = ""


def digest_of(content: bytes) -> str:
    """The digest of a blob: ``sha256:…``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether it names a blob by its SHA-256."""
    return _DIGEST.fullmatch(text) is not None


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ImageUnsupported: it is of another kind.
        BadImage: it is not a manifest.
    """
    try:
        media_type = msgspec.json.decode(content, type=_MediaType).media_type
        if media_type and media_type not in _MANIFESTS:
            raise ImageUnsupported(f"manifest of type {media_type}")
        manifest = msgspec.json.decode(content, type=_Manifest)
    except msgspec.MsgspecError as error:
        raise ImageUnsupported(f"not an image manifest: {error}") from error
    if manifest.schema_version != 2:
        raise ImageUnsupported(f"manifest schema version {manifest.schema_version}")
    if manifest.config.media_type not in _CONFIGS:
        raise ImageUnsupported(f"configuration of type {manifest.config.media_type}")
    if len(manifest.layers) > _LAYERS_MAX:
        raise BadImage(f"more than {_LAYERS_MAX} layers")
    layers = []
    for layer in manifest.layers:
        if layer.media_type not in _LAYERS:
            raise ImageUnsupported(f"layer of type {layer.media_type}")
        layers.append(Layer(layer.digest, _LAYERS[layer.media_type]))
    for digest in (manifest.config.digest, *(layer.digest for layer in layers)):
        if not is_digest(digest):
            raise BadImage(f"digest {digest!r}")
    return Manifest(manifest.config.digest, tuple(layers))


class _MediaType(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""


def parse_config(content: bytes, architecture: str) -> ImageConfig:
    """Read a configuration.

    Args:
        content: the blob.
        architecture: this machine's, in AWS's words.

    Raises:
        BadImage: it is none, or for another machine.
    """
    try:
        whole = msgspec.json.decode(content, type=_Config)
    except msgspec.MsgspecError as error:
        raise BadImage(f"not an image configuration: {error}") from error
    if whole.os != "linux" or _ARCHITECTURES.get(whole.architecture) != architecture:
        raise BadImage(f"made for {whole.os}/{whole.architecture}, and this machine is linux/{architecture}")
    inner = whole.config or _Inner()
    pairs = (entry.partition("=") for entry in inner.env or ())
    return ImageConfig(
        entry_point=tuple(inner.entrypoint or ()),
        command=tuple(inner.cmd or ()),
        environment={name: value for name, _, value in pairs if name},
        working_directory=inner.working_dir or "",
    )


class _Index(msgspec.Struct, frozen=True):
    manifests: list[Descriptor]


_NAME = "org.opencontainers.image.ref.name"


def find_in_index(content: bytes, reference: str) -> str | None:
    """Digest of the manifest that ``index.json`` of a layout has under a name; of its only one for ``""``.

    Raises:
        BadImage: it is not an index.
    """
    try:
        index = msgspec.json.decode(content, type=_Index)
    except msgspec.MsgspecError as error:
        raise BadImage(f"not an image index: {error}") from error
    found = [entry for entry in index.manifests if not reference or (entry.annotations or {}).get(_NAME) == reference]
    if len(found) != 1 or not is_digest(found[0].digest):
        return None
    return found[0].digest
