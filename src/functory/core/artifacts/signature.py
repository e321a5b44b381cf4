"""Signatures inside packages: what signs a zip, and what finds out who signed it.

**Theory.** How AWS Signer writes its signature into a package is not documented, so this is a form of our own: one entry
of the zip, `ENTRY`, a JSON object of ``manifest`` (a text) and ``signature`` (base64, Ed25519 over that text). The manifest
names the signing profile version, when it was signed, until when it holds, and the SHA-256 of every other entry. A package
is whole when its entries are exactly those of the manifest, with these contents, and its signature is the profile's.

Who may sign is not known here: callers give the public keys of the profiles they know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

ENTRY = "META-INF/functory-signature.json"
ENTRY_BYTES_MAX = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed.

    Attributes:
        profile: ARN of the signing profile version.
        signed_at: epoch seconds.
        expires_at: epoch seconds; the signature does not hold from then on.
        files: name of every other entry -> hex SHA-256 of its content.
    """

    profile: str
    signed_at: float
    expires_at: float
    files: dict[str, str]


class _Signed(msgspec.Struct, frozen=True):
    manifest: str
    signature: str


class BrokenSignature(Exception):  # noqa: N818  reads as what it is
    """A package has a signature that is not the one of its content."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a package.

    Attributes:
        profile: ARN of the signing profile version.
        expires_at: epoch seconds.
    """

    profile: str
    expires_at: float


def sign(content: bytes, private_key_pem: bytes, profile: str, *, signed_at: float, expires_at: float) -> bytes:
    """A zip with its signature; one that it had is replaced.

    Args:
        content: the zip.
        private_key_pem: Ed25519, PKCS #8, not encrypted.
        profile: ARN of the signing profile version that the key is of.

    Raises:
        ValueError: the key is none, or the content is no zip.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private_key_pem, None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the key is not an Ed25519 key")
    bare = _without_signature(content)
    manifest = Manifest(profile=profile, signed_at=signed_at, expires_at=expires_at, files=_digests(bare))
    text = msgspec.json.encode(manifest, order="deterministic").decode()
    signed = _Signed(text, base64.b64encode(key.sign(text.encode())).decode("ascii"))
    buffer = io.BytesIO(bare)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(ENTRY, _FIXED_TIME)
        info.external_attr = 0o100644 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, msgspec.json.encode(signed))
    return buffer.getvalue()


def find_signer(content: bytes, public_keys_pem: Mapping[str, bytes]) -> Signer | None:
    """Who signed a package; None for one that is not signed, or by a profile that is not known. Blocks.

    Args:
        content: a readable zip.
        public_keys_pem: ARN of a signing profile version -> its public key (SubjectPublicKeyInfo).

    Raises:
        BrokenSignature: it was changed after it was signed, or the signature is not of the profile's key.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if ENTRY not in archive.namelist():
            return None
        if archive.getinfo(ENTRY).file_size > ENTRY_BYTES_MAX:
            raise BrokenSignature("the signature is too large")
        raw = archive.read(ENTRY)
    try:
        signed = msgspec.json.decode(raw, type=_Signed)
        manifest = msgspec.json.decode(signed.manifest, type=Manifest)
        signature = base64.b64decode(signed.signature, validate=True)
    except (msgspec.MsgspecError, binascii.Error) as error:
        raise BrokenSignature(f"the signature cannot be read: {error}") from error
    pem = public_keys_pem.get(manifest.profile)
    if pem is None:
        return None
    _verify(pem, signature, signed.manifest.encode())
    if _digests(content) != manifest.files:
        raise BrokenSignature("the files of the package are not the ones that were signed")
    return Signer(manifest.profile, manifest.expires_at)


def _verify(public_key_pem: bytes, signature: bytes, text: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public_key_pem)
    if not isinstance(key, Ed25519PublicKey):
        raise BrokenSignature("the profile's key is not an Ed25519 key")
    try:
        key.verify(signature, text)
    except InvalidSignature:
        raise BrokenSignature("the signature is not of the profile's key") from None


def _digests(content: bytes) -> dict[str, str]:
    """Name -> SHA-256 of every entry but the signature.

    Raises:
        BrokenSignature: a name is there twice, so that it is not certain which content counts.
    """
    found: dict[str, str] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise BrokenSignature("an entry is there twice")
            for name in names:
                if name != ENTRY:
                    with archive.open(name) as file:
                        digest = hashlib.sha256()
                        while piece := file.read(_PIECE_BYTES):
                            digest.update(piece)
                        found[name] = digest.hexdigest()
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a zip: {error}") from error
    return found


def _without_signature(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if ENTRY not in archive.namelist():
                return content
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as bare:
                for info in archive.infolist():
                    if info.filename != ENTRY:
                        bare.writestr(info, archive.read(info))
            return buffer.getvalue()
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a zip: {error}") from error
