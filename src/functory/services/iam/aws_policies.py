"""The policies that AWS manages: a catalogue of those that functions, their tools and their administrators use.

The documents are in ``aws_policies.json`` beside this module: facts of AWS's *Managed Policy Reference*. Of
``ReadOnlyAccess``, which lists some two thousand actions, it has those of services this node may have; of some
policies only the day of their creation is certain. Owns only reading that file.

AWS: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from functory.services.iam.naming import arn_of

ACCOUNT = "aws"
"""What stands where an ARN has an account."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, slots=True)
class AwsPolicy:
    """One policy that AWS manages.

    Attributes:
        id: ``ANPA…``; always the same for the same ARN.
        path: ``/``, ``/service-role/`` …
        version: of its document, the only one here.
        document: JSON text.
    """

    arn: str
    id: str
    name: str
    path: str
    description: str
    version: int
    created_s: int
    updated_s: int
    document: str


@cache
def aws_policies() -> Mapping[str, AwsPolicy]:
    """Every policy of the catalogue by its ARN."""
    rows = json.loads(files("functory.services.iam").joinpath("aws_policies.json").read_text(encoding="utf-8"))
    policies = [_policy(row) for row in rows]
    return {policy.arn: policy for policy in policies}


def _policy(row: Mapping[str, Any]) -> AwsPolicy:
    path, name = row.get("path", "/"), row["name"]
    arn = arn_of(ACCOUNT, "policy", path, name)
    document = {"Version": "2012-10-17", "Statement": row["statements"]}
    return AwsPolicy(
        arn=arn,
        id=_id_of(arn),
        name=name,
        path=path,
        description=row["description"],
        version=row["version"],
        created_s=_seconds(row["created"]),
        updated_s=_seconds(row["updated"]),
        document=json.dumps(document, indent=2),
    )


def _id_of(arn: str) -> str:
    digest = hashlib.sha256(arn.encode()).digest()
    return "ANPA" + "".join(_ALPHABET[byte & 31] for byte in digest[:17])


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
