"""Whether code may be deployed, by its signature.

**Theory.** Reading a signature takes its time and needs no row, so it is done before the unit of work (`Signatures.read`);
what follows from it is decided inside, by the configuration that holds then (`check`). A broken signature is refused always;
one of nobody, of a profile that is not allowed, or that has expired, by the policy: ``Enforce`` refuses, ``Warn`` logs.

Layers of functions with a code signing configuration are refused: their signatures are not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.artifacts.signature import BrokenSignature, Signer, find_signer
from functory.kernel import log
from functory.services.lambda_ import code_signing_rows, errors
from functory.services.lambda_.code_signing_rows import CodeSigningConfig
from functory.services.lambda_.records import Config, FunctionRecord

_log = log.get("services.lambda")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the signature of a package says.

    Attributes:
        signer: None when nobody that is known signed it.
        broken: why its signature is not the one of its content; ``""`` when it is, or when there is none.
    """

    signer: Signer | None = None
    broken: str = ""


class Signatures:
    """Reads signatures.

    Args:
        public_keys: ARN of each signing profile version of this node -> its public key (PEM).
    """

    def __init__(self, public_keys: Mapping[str, bytes] | None = None) -> None:
        self._public_keys = dict(public_keys or {})

    async def read(self, content: bytes) -> Reading:
        """The signature of a package."""
        try:
            return Reading(await asyncio.to_thread(find_signer, content, self._public_keys))
        except BrokenSignature as broken:
            return Reading(broken=str(broken))
        except ValueError:
            return Reading()  # no zip: refused as such


def need_config(conn: Connection, arn: str, function_arn: str) -> CodeSigningConfig:
    """Part of a unit of work: the configuration that a function uses or shall use.

    Raises:
        AwsError: there is none of that ARN in the function's account and region.
    """
    config = code_signing_rows.get_config(conn, arn)
    if config is None or [config.region, config.account_id] != function_arn.split(":")[3:5]:
        raise AwsError(
            "CodeSigningConfigNotFoundException",
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            + arn
            + ".",
        )
    return config


def check(conn: Connection, config_arn: str | None, reading: Reading | None, function_arn: str, now: float) -> None:
    """Part of a unit of work: refuse code that may not be deployed.

    Args:
        config_arn: of the function's code signing configuration; None without.
        reading: of the code; None when it was not read, because the function had no configuration then.

    Raises:
        AwsError: it may not.
    """
    if config_arn is None:
        return
    config = need_config(conn, config_arn, function_arn)
    if reading is None:
        raise errors.update_in_progress(function_arn)
    if reading.broken:
        raise AwsError("InvalidCodeSignatureException", f"The code signature failed the integrity check: {reading.broken}.")
    signer = reading.signer
    if signer is None or signer.profile not in config.publishers:
        why = "The code is not signed by one of the allowed publishers of the code signing configuration."
    elif now >= signer.expires_at:
        why = "The code signature has expired."
    else:
        return
    if config.policy == "Enforce":
        raise AwsError("CodeVerificationFailedException", why)
    _log.warning("code_signature_not_valid", arn=function_arn, reason=why)


def check_possible(config: Config) -> None:
    """Refuse a code signing configuration for what has no signature to read.

    Raises:
        AwsError: the code is an image, or there are layers.
    """
    if config.image is not None:
        raise errors.invalid("Code signing is not supported for functions created with container images.")
    if config.layers:
        raise errors.unsupported("A code signing configuration of a function with layers")


def check_config(function: FunctionRecord, config: Config) -> None:
    """Refuse a configuration that a function with a code signing configuration cannot have; see `check_possible`.

    Raises:
        AwsError: it cannot.
    """
    if function.code_signing_config is not None:
        check_possible(config)
