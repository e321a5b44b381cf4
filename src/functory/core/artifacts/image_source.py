"""Where container images come from: a registry, through skopeo, or an OCI layout in a folder the operator allows.

skopeo brings the credentials, proxies and certificates of the user the node runs as. Every blob is checked against its
digest when it is unpacked, whoever brought it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from functory.core.artifacts.image_errors import BadImage, ImageDenied, ImageMissing, ImageUnavailable
from functory.core.artifacts.image_manifest import MANIFEST_BYTES, digest_of, find_in_index, is_digest
from functory.kernel.settings import ImageSettings

_INSPECT_TIMEOUT_S = 60.0
_COPY_TIMEOUT_S = 1800.0
_WORDS_MAX = 600
_REFERENCE = re.compile(
    r"(?P<registry>[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?)/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_LAYOUT = re.compile(r"oci:(?P<folder>/[^@:\0]*)(?::(?P<tag>[^@:/]{1,128}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?", re.ASCII)
_DENIED = ("unauthorized", "denied", "authentication required", "forbidden")
_MISSING = ("manifest unknown", "not found", "name unknown", "repository name not known", "status code 404")


@dataclass(frozen=True, slots=True)
class Reference:
    """An ImageUri, taken apart.

    Attributes:
        repository: ``registry/name`` or ``oci:/folder``.
        registry: ``host[:port]``, ``""`` for a layout.
        tag: ``""`` when there is none.
        digest: ``sha256:…`` or ``""``.
    """

    repository: str
    registry: str
    tag: str
    digest: str

    @property
    def is_layout(self) -> bool:
        """Whether it names a folder."""
        return not self.registry

    @property
    def folder(self) -> Path:
        """Of a layout."""
        return Path(self.repository.removeprefix("oci:"))

    def at(self, digest: str) -> str:
        """The same repository by digest: AWS's ``ResolvedImageUri``."""
        return f"{self.repository}@{digest}"


def parse(uri: str) -> Reference | None:
    """An ImageUri; None when it is none."""
    layout = _LAYOUT.fullmatch(uri)
    if layout is not None:
        return Reference(f"oci:{layout['folder']}", "", layout["tag"] or "", layout["digest"] or "")
    match = _REFERENCE.fullmatch(uri)
    if match is None or not ("." in match["registry"] or ":" in match["registry"] or match["registry"] == "localhost"):
        return None
    return Reference(f"{match['registry']}/{match['name']}", match["registry"], match["tag"] or "", match["digest"] or "")


class ImageSource:
    """Reads images of one node."""

    def __init__(self, settings: ImageSettings) -> None:
        self._folders = tuple(Path(folder).expanduser().resolve() for folder in settings.folders)
        self._insecure = frozenset(settings.insecure_registries)

    async def manifest(self, reference: Reference) -> tuple[str, bytes]:
        """Digest and content of the manifest a reference leads to now.

        Raises:
            ImageError: it cannot be had.
        """
        if reference.is_layout:
            return await asyncio.to_thread(self._layout_manifest, reference)
        argv = ["inspect", "--raw", *self._tls(reference, "--tls-verify"), f"docker://{_pulled(reference)}"]
        content = await _skopeo(argv, _INSPECT_TIMEOUT_S)
        if len(content) > MANIFEST_BYTES:
            raise BadImage("its manifest is too large")
        digest = digest_of(content)
        if reference.digest and digest != reference.digest:
            raise BadImage(f"the registry gave {digest} for {reference.digest}")
        return digest, content

    async def fetch(self, reference: Reference, digest: str, folder: Path) -> Path:
        """Bring the blobs of an image; the folder they are in, each named by its digest's hex digits.

        Args:
            reference: where.
            digest: of the manifest.
            folder: an empty folder; not used for what is on this machine already.

        Raises:
            ImageError: it cannot be had.
        """
        if reference.is_layout:
            return self._allowed(reference) / "blobs/sha256"
        argv = ["copy", "--quiet", "--preserve-digests", *self._tls(reference, "--src-tls-verify")]
        await _skopeo([*argv, f"docker://{reference.at(digest)}", f"dir:{folder}"], _COPY_TIMEOUT_S)
        return folder

    def _tls(self, reference: Reference, option: str) -> list[str]:
        return [f"{option}=false"] if reference.registry in self._insecure else []

    def _allowed(self, reference: Reference) -> Path:
        folder = reference.folder.resolve()
        if not any(folder.is_relative_to(allowed) for allowed in self._folders):
            raise ImageDenied(f"{reference.folder} is in none of the folders of the setting images.folders")
        return folder

    def _layout_manifest(self, reference: Reference) -> tuple[str, bytes]:
        folder = self._allowed(reference)
        try:
            digest = reference.digest or find_in_index((folder / "index.json").read_bytes(), reference.tag)
            if digest is None or not is_digest(digest):
                raise ImageMissing(f"{reference.repository} has no image {reference.tag!r}")
            content = (folder / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
        except OSError as error:
            raise ImageMissing(f"{reference.repository}: {error.strerror}") from error
        if digest_of(content) != digest:
            raise BadImage(f"the manifest {digest} is damaged")
        return digest, content


def _pulled(reference: Reference) -> str:
    if reference.digest:
        return reference.at(reference.digest)
    return f"{reference.repository}:{reference.tag or 'latest'}"


async def _skopeo(arguments: Sequence[str], timeout_s: float) -> bytes:
    """Run skopeo; its standard output.

    Raises:
        ImageError: sorted by what it said.
    """
    tool = shutil.which("skopeo")
    if tool is None:
        raise ImageUnavailable(
            "images of a registry are fetched with skopeo, which is not installed: apt-get install skopeo"
        )
    process = await asyncio.create_subprocess_exec(
        tool,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, said = await process.communicate()
    except TimeoutError as error:
        raise ImageUnavailable(f"skopeo {arguments[0]} took longer than {timeout_s:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return output
    words = said.decode(errors="replace").strip()[-_WORDS_MAX:]
    low = words.lower()
    if any(word in low for word in _DENIED):
        raise ImageDenied(words)
    if any(word in low for word in _MISSING):
        raise ImageMissing(words)
    raise ImageUnavailable(words)
