"""Which service receives what is sent to an ARN. Filled once, by ``wiring``."""

from __future__ import annotations

from collections.abc import Mapping

from functory.core.targets.port import Target

ACTIONS: Mapping[str, str] = {
    "events": "PutEvents",
    "lambda": "InvokeFunction",
    "s3": "PutObject",
    "sns": "Publish",
    "sqs": "SendMessage",
}
"""What the sender needs to be allowed, by the service of the ARN."""


class Targets:
    """The targets of this node.

    Args:
        targets: by the service's name in ARNs: ``lambda``, ``sqs``, ``sns``, ``events``, ``s3``.
    """

    def __init__(self, targets: Mapping[str, Target] | None = None) -> None:
        self._targets = dict(targets or {})

    def register(self, service: str, target: Target) -> None:
        """Add a target; its service must be new."""
        if service in self._targets:
            raise ValueError(f"a target of service {service} is registered twice")
        self._targets[service] = target

    def find(self, arn: str) -> Target | None:
        """Who receives what is sent to ``arn``; None when this node has no such service."""
        return self._targets.get(service_of(arn))


def service_of(arn: str) -> str:
    """The service an ARN is of; ``""`` for what is none."""
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""
