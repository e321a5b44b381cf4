"""Amazon Resource Names as values: parse, build, take apart.

Owns the generic form ``arn:partition:service:region:account-id:resource`` only. What a service accepts *instead* of an ARN
(function names with qualifiers, queue URLs …) and which text it answers to a bad one is that service's business, so parsing
answers None rather than raising.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEPARATOR = re.compile("[:/]")
_PARTITION_OF_REGION_PREFIX = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
ARN_CHARS_MAX = 2048  # the longest any AWS API documents; longer text is not worth splitting


def partition_of(region: str) -> str:
    """The partition a region belongs to (``aws`` for every ordinary or invented region)."""
    for prefix, partition in _PARTITION_OF_REGION_PREFIX.items():
        if region.startswith(prefix):
            return partition
    return "aws"


@dataclass(frozen=True, slots=True)
class Arn:
    """One ARN; ``str()`` gives exactly the text it was parsed from.

    Attributes:
        partition: ``aws``, ``aws-cn`` …
        service: the namespace, ``lambda``, ``s3`` …
        region: empty for global services (IAM) and S3.
        account_id: 12 digits; empty where AWS leaves it out (S3 buckets), ``aws`` for AWS's own policies.
        resource: everything after the fifth colon; may hold colons and slashes.
    """

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """The ARN in ``text``, or None when it is not one (partition, service and resource must not be empty)."""
        if not text.startswith("arn:") or len(text) > ARN_CHARS_MAX:
            return None
        parts = text.split(":", 5)
        if len(parts) < 6 or not (parts[1] and parts[2] and parts[5]):
            return None
        return cls(*parts[1:])

    @classmethod
    def build(cls, service: str, resource: str, *, region: str = "", account_id: str = "") -> Arn:
        """An ARN in the partition of ``region`` (``aws`` when the region is empty).

        Raises:
            ValueError: a part other than the resource holds a colon, or service or resource is empty.
        """
        if not service or not resource or any(":" in part for part in (service, region, account_id)):
            raise ValueError(f"not the parts of an ARN: {service!r}, {region!r}, {account_id!r}, {resource!r}")
        return cls(partition_of(region), service, region, account_id, resource)

    @property
    def resource_type(self) -> str:
        """What stands before the resource's first ``:`` or ``/`` (``function``, ``role``); empty when there is neither."""
        found = _SEPARATOR.search(self.resource)
        return self.resource[: found.start()] if found else ""

    @property
    def resource_id(self) -> str:
        """What stands after the resource's first ``:`` or ``/``; the whole resource when there is neither."""
        found = _SEPARATOR.search(self.resource)
        return self.resource[found.end() :] if found else self.resource

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"
