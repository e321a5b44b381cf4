"""The ARN of a runtime version. Pure."""

from __future__ import annotations

import hashlib

from functory.runtimes.port import ReadyRuntime


def runtime_version_arn(region: str, ready: ReadyRuntime) -> str:
    """``arn:aws:lambda:<region>::runtime:<sha256>``: the same wherever the same interpreter runs with the same client."""
    clients = [mount.source.name for mount in ready.mounts if mount.target == "/var/runtime"]  # named by their content
    digest = hashlib.sha256(":".join([ready.id, ready.version, *clients]).encode()).hexdigest()
    return f"arn:aws:lambda:{region}::runtime:{digest}"
