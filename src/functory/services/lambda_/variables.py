"""Environment variables at rest: sealed in the store, open in memory only.

**Theory.** The variables of a version are one text, sealed with a key of the data folder (`functory.kernel.sealing`) for the
function's ARN, and kept so in the version's configuration. They are opened where they are shown and where a version's facts
are made for the engine. What is set again to the same values keeps its sealed text, so that nothing seems to have changed.

Rows of an earlier version of Functory held the variables in the open; `seal_all` seals these at start.

AWS: always encrypts environment variables at rest, with a key of its own unless ``KMSKeyArn`` names another.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.kernel.sealing import Sealer
from functory.services.lambda_ import rows
from functory.services.lambda_.records import Config, VersionRecord
from functory.store.port import Store

_BATCH = 64


class Variables:
    """Seals and opens the variables of functions.

    Args:
        folder_secret: of the data folder; at least 16 random bytes.
    """

    def __init__(self, folder_secret: bytes) -> None:
        self._sealer = Sealer(folder_secret, "functory lambda environment variables")

    def opened(self, arn: str, config: Config) -> dict[str, str] | None:
        """The variables of a configuration of the function ``arn``; None when none were ever set.

        Raises:
            AwsError: ``KMSAccessDeniedException``: they were sealed in another data folder.
        """
        if not config.sealed_environment:
            return config.environment
        from cryptography.exceptions import InvalidTag

        try:
            text = self._sealer.open(arn, base64.b64decode(config.sealed_environment))
        except InvalidTag:
            raise AwsError(
                "KMSAccessDeniedException",
                "Lambda was unable to decrypt the environment variables because they were sealed with the key of another "
                "data folder. Please set them again.",
            ) from None
        return msgspec.json.decode(text, type=dict[str, str])

    def with_variables(self, arn: str, config: Config, given: Mapping[str, str] | None) -> Config:
        """A configuration with these variables, sealed; None takes them away."""
        if given is None:
            return msgspec.structs.replace(config, environment=None, sealed_environment="")
        if config.sealed_environment and self._is_same(arn, config, given):
            return config
        sealed = self._sealer.seal(arn, msgspec.json.encode(given).decode())
        return msgspec.structs.replace(config, environment=None, sealed_environment=base64.b64encode(sealed).decode("ascii"))

    def shown(self, record: VersionRecord) -> dict[str, Any] | None:
        """``Environment`` of a version as AWS shows it; None when none was ever set."""
        try:
            variables = self.opened(record.arn, record.config)
        except AwsError as error:
            return {"Error": {"ErrorCode": error.code, "Message": error.message}}
        return {"Variables": variables} if variables is not None else None

    def _is_same(self, arn: str, config: Config, given: Mapping[str, str]) -> bool:
        try:
            return self.opened(arn, config) == given
        except AwsError:
            return False

    async def seal_all(self, store: Store) -> None:
        """Seal what an earlier version left in the open. Called once, at start."""
        while await store.write(self._seal_some):
            pass

    def _seal_some(self, conn: Connection) -> bool:
        """Part of `seal_all`; whether there was something to do."""
        batch = rows.list_in_the_open(conn, _BATCH)
        for record in batch:
            sealed = msgspec.structs.replace(
                record,
                config=self._sealed(record.arn, record.config),
                live_config=self._sealed(record.arn, record.live_config) if record.live_config else None,
            )
            rows.put_version(conn, sealed)
            function = rows.get_function(conn, (record.account_id, record.region, record.name))
            if function is not None and function.published_digest == record.digest:
                rows.put_function(conn, msgspec.structs.replace(function, published_digest=sealed.digest))
        return bool(batch)

    def _sealed(self, arn: str, config: Config) -> Config:
        return self.with_variables(arn, config, config.environment) if config.environment is not None else config
