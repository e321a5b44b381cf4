"""The ARN of a runtime version. Pure."""

from __future__ import annotations

import hashlib

from functory.runtimes.port import ReadyRuntime


def runtime_version_arn(region: str, ready: ReadyRuntime) -> str:
    """``arn:aws:lambda:<region>::runtime:<sha256>``: the same wherever the same interpreter version runs."""
    digest = hashlib.sha256(f"{ready.id}:{ready.version}".encode()).hexdigest()
    return f"arn:aws:lambda:{region}::runtime:{digest}"
