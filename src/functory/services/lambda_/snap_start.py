"""SnapStart of functions: who may have it, and when a version with it is ready.

AWS: Java from 11, Python from 3.12, .NET from 8; not with more than 512 MB of ``/tmp``, file systems, or provisioned
concurrency. Here also: not .NET, not container images, and only on a node that can keep sandboxes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.aws.errors import AwsError
from functory.runtimes.port import RuntimeCatalog
from functory.services.lambda_ import errors
from functory.services.lambda_.ports import Snapshots
from functory.services.lambda_.records import Config
from functory.services.lambda_.tenancy import check_without

PUBLISHED_VERSIONS = "PublishedVersions"
EPHEMERAL_MIB_MAX = 512


def asks(params: Mapping[str, Any]) -> bool:
    """Whether a request asks for SnapStart."""
    return (params.get("SnapStart") or {}).get("ApplyOn") == PUBLISHED_VERSIONS


async def check_node(snapshots: Snapshots) -> None:
    """Refuse SnapStart where this node cannot do it.

    Raises:
        AwsError: it cannot.
    """
    if why := await snapshots.refusal():
        raise errors.invalid(f"SnapStart is not supported on this node: {why}")


def check(config: Config, runtimes: RuntimeCatalog) -> None:
    """Refuse a configuration that cannot have SnapStart and has it.

    Raises:
        AwsError: it is such a one.
    """
    if not config.snap_start:
        return
    check_without(config, "SnapStart")
    if config.image is not None:
        raise errors.unsupported("SnapStart for functions created with container images")
    if not runtimes.can_snap_start(config.runtime):
        raise errors.invalid(f"{config.runtime} is not supported for SnapStart enabled functions.")
    if config.file_systems:
        raise errors.invalid("SnapStart is not supported for functions with file systems.")
    if config.ephemeral_mib > EPHEMERAL_MIB_MAX:
        raise errors.invalid(f"SnapStart enabled functions support an EphemeralStorage of at most {EPHEMERAL_MIB_MAX} MB.")


def not_ready() -> AwsError:
    """A version whose snapshot is still being made. AWS."""
    return AwsError(
        "SnapStartNotReadyException",
        "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE.",
    )
