"""From the bytes of a request to a stored package, with AWS's errors on the way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.errors import BadPackage, PackageFault
from functory.kernel.clock import Clock
from functory.kernel.limits import CODE_STORAGE_BYTES, CODE_UNZIPPED_BYTES
from functory.services.lambda_ import errors, rows
from functory.services.lambda_.records import Code
from functory.store.port import Store

_TEXTS = {
    PackageFault.UNREADABLE: "Could not unzip uploaded file. Please check your file, then try to upload again.",
    PackageFault.EMPTY: "Uploaded file must be a non-empty zip",
    PackageFault.TOO_LARGE: f"Unzipped size must be smaller than {CODE_UNZIPPED_BYTES} bytes",
}


class Packages:
    """Takes packages in."""

    def __init__(self, store: Store, artifacts: Artifacts, clock: Clock) -> None:
        self._store = store
        self._artifacts = artifacts
        self._clock = clock

    async def judged(self, content: bytes) -> Code:
        """A package that could be stored, without storing it.

        Raises:
            AwsError: it cannot be used.
        """
        try:
            facts = await self._artifacts.inspect(content)
        except BadPackage as error:
            raise errors.invalid(_TEXTS[error.fault]) from error
        return Code(facts.key, facts.zipped_bytes, facts.unzipped_bytes)

    @contextlib.asynccontextmanager
    async def stored(self, content: bytes) -> AsyncIterator[Code]:
        """A package, durably stored, kept from collection while the caller commits what refers to it.

        Raises:
            AwsError: it cannot be used; nothing was stored.
        """
        code = await self.judged(content)
        async with self.kept(code):
            await self._artifacts.put(content)
            yield code

    @contextlib.asynccontextmanager
    async def kept(self, code: Code) -> AsyncIterator[None]:
        """Keep code from collection while the caller stores it and commits what refers to it."""
        async with self._artifacts.hold(code.key):
            now = self._clock.epoch_s()
            await self._store.write(lambda conn: rows.touch_packages(conn, [code.key], now))
            yield


def check_storage(conn: Connection, account_id: str, region: str, code: Code) -> None:
    """Part of a unit of work: refuse code over the account's storage.

    Raises:
        AwsError: there is no room for it.
    """
    if rows.code_usage(conn, account_id, region) + code.unzipped_bytes > CODE_STORAGE_BYTES:
        raise AwsError("CodeStorageExceededException", "Code storage limit exceeded.")
