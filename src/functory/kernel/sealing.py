"""Secrets at rest: AES-256-GCM, with keys derived from the data folder's own secret.

Who has only the database cannot read what is sealed in it. What a text belongs to (an access key id, a function's ARN) is
authenticated with it, so rows cannot be swapped. The library is loaded with the first text that is sealed or opened: a node
that has none never pays for it.
"""

from __future__ import annotations

import os

_NONCE_BYTES = 12


class Sealer:
    """Seals and opens the texts of one purpose.

    Args:
        folder_secret: of the data folder; at least 32 random bytes.
        purpose: a fixed phrase; texts of one purpose cannot be opened as another's.
    """

    def __init__(self, folder_secret: bytes, purpose: str) -> None:
        self._folder_secret = folder_secret
        self._purpose = purpose.encode()
        self._key = b""

    def seal(self, owner: str, text: str) -> bytes:
        """The text as it is stored.

        Args:
            owner: what it belongs to; needed again to open it.
            text: what nobody shall read.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._derived()).encrypt(nonce, text.encode(), owner.encode())

    def open(self, owner: str, sealed: bytes) -> str:
        """The text.

        Raises:
            cryptography.exceptions.InvalidTag: it was sealed in another data folder, for another owner, or changed.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return AESGCM(self._derived()).decrypt(nonce, text, owner.encode()).decode()

    def _derived(self) -> bytes:
        if not self._key:
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

            self._key = HKDF(SHA256(), 32, salt=None, info=self._purpose).derive(self._folder_secret)
        return self._key
