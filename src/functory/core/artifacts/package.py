"""A zip package in bytes: what it holds, read through to the end. Does no disk I/O.

Nothing the headers say about sizes is believed: content is decompressed in pieces and counted, so a bomb ends at the
limit, and every checksum is compared. The cost: a package is decompressed once here and once when it is unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from functory.core.artifacts.entries import Entry, EntryKind, Parts, check_links, judge
from functory.core.artifacts.errors import BadPackage, PackageFault
from functory.kernel.limits import CODE_UNZIPPED_BYTES, ZIP_ENTRIES

_CENTRAL_RECORD = b"PK\x01\x02"
_LINK_BYTES = 4096  # PATH_MAX
_PIECE_BYTES = 1 << 16
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    EOFError,
    OSError,
    KeyError,
    IndexError,
)
"""What `zipfile` raises on damaged input; there is no common root."""


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """What is known of a package that was read to its end.

    Attributes:
        key: blob key: lower-case hex SHA-256 of the zip.
        code_sha256: the same hash as AWS shows it, base64.
        zipped_bytes: length of the zip.
        unzipped_bytes: sum of what its files hold, counted.
        files: number of files and links.
    """

    key: str
    code_sha256: str
    zipped_bytes: int
    unzipped_bytes: int
    files: int


def inspect(content: bytes, *, unzipped_bytes_max: int = CODE_UNZIPPED_BYTES) -> PackageFacts:
    """Read a package through to its end.

    Blocks for as long as decompressing takes: call it off the event loop.

    Raises:
        BadPackage: it cannot be used; nothing larger than a piece of it was held in memory.
    """
    digest = hashlib.sha256(content).digest()
    total = 0
    files = 0
    with opened(content) as (archive, entries):
        links: dict[Parts, str] = {}
        for entry in entries:
            if entry.kind is EntryKind.FOLDER:
                continue
            files += 1
            if entry.kind is EntryKind.LINK:
                links[entry.parts] = read_link(archive, entry)
                continue
            for piece in pieces(archive, entry):
                total += len(piece)
                if total > unzipped_bytes_max:
                    raise BadPackage(PackageFault.TOO_LARGE, f"more than {unzipped_bytes_max} bytes")
        check_links(links)
    if files == 0:
        raise BadPackage(PackageFault.EMPTY, "no file in it")
    return PackageFacts(digest.hex(), code_sha256(digest.hex()), len(content), total, files)


def code_sha256(key: str) -> str:
    """A blob key as AWS's ``CodeSha256`` shows it."""
    return base64.b64encode(bytes.fromhex(key)).decode()


@contextmanager
def opened(content: bytes | IO[bytes]) -> Iterator[tuple[zipfile.ZipFile, list[Entry]]]:
    """A zip and its judged entries; what `zipfile` raises inside becomes `BadPackage`.

    Args:
        content: the zip's bytes (their number of central records is bounded first), or an open file that was inspected
            before.

    Raises:
        BadPackage: it is not a usable zip.
    """
    try:
        if isinstance(content, bytes):
            _bound_records(content)
            source: IO[bytes] = io.BytesIO(content)
        else:
            source = content
        with zipfile.ZipFile(source) as archive:
            yield archive, judge(archive.infolist())
    except _DAMAGE as error:
        raise BadPackage(PackageFault.UNREADABLE, f"{type(error).__name__}: {error}") from error


def _bound_records(content: bytes) -> None:
    """Refuse a directory with more records than may be, before `zipfile` makes an object of each.

    Counting the record's signature in the whole content is an upper bound that no header can lie about.
    """
    if not content:
        raise BadPackage(PackageFault.EMPTY, "no bytes")
    if content.count(_CENTRAL_RECORD) > ZIP_ENTRIES:
        raise BadPackage(PackageFault.UNREADABLE, f"more than {ZIP_ENTRIES} entries")


def pieces(archive: zipfile.ZipFile, entry: Entry) -> Iterator[bytes]:
    """The content of a file entry, decompressed piece by piece; checksum and length are compared at the end.

    Raises:
        BadPackage: it is not as long as the zip says.
    """
    length = 0
    with archive.open(entry.info) as stream:
        while piece := stream.read(_PIECE_BYTES):
            length += len(piece)
            yield piece
    if length != entry.info.file_size:
        raise BadPackage(PackageFault.UNREADABLE, f"{entry.info.filename!r} is not as long as the zip says")


def read_link(archive: zipfile.ZipFile, entry: Entry) -> str:
    """The target of a symbolic link.

    Raises:
        BadPackage: it is too long or not text.
    """
    with archive.open(entry.info) as stream:
        target = stream.read(_LINK_BYTES + 1)
    if len(target) > _LINK_BYTES:
        raise BadPackage(PackageFault.UNREADABLE, "a link's target is too long")
    try:
        return target.decode()
    except UnicodeDecodeError:
        raise BadPackage(PackageFault.UNREADABLE, "a link's target is not Unicode") from None
