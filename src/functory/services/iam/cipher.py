"""Secrets of access keys at rest: AES-256-GCM, with a key derived from the data folder's own secret.

Who has only the database cannot sign with what is in it. The access key id is authenticated with the secret, so rows cannot
be swapped. The library is loaded with the first key that is made or looked up: a node nobody signs to never pays for it.
"""

from __future__ import annotations

import os

_NONCE_BYTES = 12
_PURPOSE = b"functory iam access keys"


class Cipher:
    """See the module.

    Args:
        folder_secret: of the data folder; at least 32 random bytes.
    """

    def __init__(self, folder_secret: bytes) -> None:
        self._folder_secret = folder_secret
        self._key = b""

    def seal(self, access_key_id: str, secret: str) -> bytes:
        """The secret as it is stored."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._derived()).encrypt(nonce, secret.encode(), access_key_id.encode())

    def open(self, access_key_id: str, sealed: bytes) -> str:
        """The secret of a row.

        Raises:
            cryptography.exceptions.InvalidTag: the row was sealed in another data folder, or changed.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return AESGCM(self._derived()).decrypt(nonce, text, access_key_id.encode()).decode()

    def _derived(self) -> bytes:
        if not self._key:
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

            self._key = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(self._folder_secret)
        return self._key
