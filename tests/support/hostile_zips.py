"""Zips that must not be taken, made byte by byte where a library would refuse to make them."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Sequence

Member = tuple[str, bytes, int]
"""Name, content, Unix mode with type."""

FILE = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777


def made_of(members: Sequence[Member]) -> bytes:
    """A zip of members, duplicates and strange names included."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.NameToInfo = _Forgetful()
        for name, content, mode in members:
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.orig_filename = name
            info.create_system = 3
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return buffer.getvalue()


class _Forgetful(dict[str, zipfile.ZipInfo]):
    """Keeps `zipfile` from warning about duplicates."""

    def __contains__(self, key: object) -> bool:
        return False


def with_lying_size(content: bytes, claimed: int) -> bytes:
    """The same zip, its records claiming another uncompressed size."""
    result = bytearray(content)
    local = result.index(b"PK\x03\x04")
    central = result.index(b"PK\x01\x02")
    struct.pack_into("<L", result, local + 22, claimed)
    struct.pack_into("<L", result, central + 24, claimed)
    return bytes(result)


def with_flag(content: bytes, flag: int) -> bytes:
    """The same zip with a flag set on its first entry."""
    result = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = result.index(signature) + offset
        struct.pack_into("<H", result, at, struct.unpack_from("<H", result, at)[0] | flag)
    return bytes(result)


def with_method(content: bytes, method: int) -> bytes:
    """The same zip with another compression method claimed for its first entry."""
    result = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", result, result.index(signature) + offset, method)
    return bytes(result)


def bomb(mebibytes: int) -> bytes:
    """One entry of zeroes."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("zeroes", "w") as entry,
    ):
        for _ in range(mebibytes):
            entry.write(bytes(1 << 20))
    return buffer.getvalue()


HOSTILE = {
    "absolute path": made_of([("/etc/passwd", b"x", FILE)]),
    "path upwards": made_of([("../evil", b"x", FILE)]),
    "path upwards in the middle": made_of([("a/../../evil", b"x", FILE)]),
    "folder upwards": made_of([("../", b"", stat.S_IFDIR | 0o755), ("a", b"x", FILE)]),
    "two files of one name": made_of([("a", b"1", FILE), ("a", b"2", FILE)]),
    "two spellings of one name": made_of([("a/b", b"1", FILE), ("a/./b", b"2", FILE)]),
    "a file as a folder": made_of([("a", b"1", FILE), ("a/b", b"2", FILE)]),
    "a folder, then a file": made_of([("a/b", b"2", FILE), ("a", b"1", FILE)]),
    "absolute link": made_of([("l", b"/etc/passwd", LINK)]),
    "link outside": made_of([("l", b"../x", LINK)]),
    "link outside from below": made_of([("a/b/l", b"../../../x", LINK)]),
    "link outside through a link": made_of([("d/e", b".", LINK), ("l", b"d/e/../../x", LINK)]),
    "circle of links": made_of([("a", b"b", LINK), ("b", b"a", LINK)]),
    "write through a link": made_of([("l", b"d", LINK), ("d/x", b"", FILE), ("l/y", b"1", FILE)]),
    "link without target": made_of([("l", b"", LINK)]),
    "link with endless target": made_of([("l", b"a/" * 4000, LINK)]),
    "link that is no text": made_of([("l", b"\xff\xfe", LINK)]),
    "character device": made_of([("tty", b"", stat.S_IFCHR | 0o666)]),
    "block device": made_of([("sda", b"", stat.S_IFBLK | 0o666)]),
    "pipe": made_of([("p", b"", stat.S_IFIFO | 0o666)]),
    "socket": made_of([("s", b"", stat.S_IFSOCK | 0o666)]),
    "long component": made_of([("a" * 256, b"x", FILE)]),
    "long path": made_of([("/".join(["abcdefgh"] * 500), b"x", FILE)]),
    "name with NUL": made_of([("a\0b", b"x", FILE)]),
    "file without a name": made_of([("./.", b"x", FILE)]),
    "encrypted": with_flag(made_of([("a", b"x", FILE)]), 1),
    "unknown compression": with_method(made_of([("a", b"x", FILE)]), 99),
    "bzip2": with_method(made_of([("a", b"x", FILE)]), 12),
    "longer than it says": with_lying_size(made_of([("a", b"content", FILE)]), 3),
    "shorter than it says": with_lying_size(made_of([("a", b"content", FILE)]), 70),
    "wrong checksum": made_of([("a", b"content", FILE)]).replace(b"content", b"CONTENT"),
    "cut off": made_of([("a", b"content", FILE)])[:-10],
    "no zip": b"#!/bin/sh\n" * 100,
}
