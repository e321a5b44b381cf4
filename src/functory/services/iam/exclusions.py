"""``PolicyExclusionList`` of a simulation: which attached policies are left out. Pure.

AWS: an entry names policies by type, by ARN, or an inline one by its name and owner; what matches nothing is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functory.services.iam.aws_policies import ACCOUNT
from functory.services.iam.errors import invalid
from functory.services.iam.naming import parse_arn

_BOUNDARY = "permission-boundary"


@dataclass(frozen=True, slots=True)
class Attached:
    """A policy that a simulation takes from an entity.

    Attributes:
        owner_kind: ``user``, ``group``, ``role``.
        name: of an inline policy; the ARN of a managed one.
    """

    owner_kind: str
    owner_name: str
    name: str
    document: str

    @property
    def kind(self) -> str:
        """AWS's word for where it comes from."""
        parts = parse_arn(self.name)
        if parts is None:
            return "inline"
        return "aws-managed" if parts[0] == ACCOUNT else "user-managed"


class Exclusions:
    """The entries of a call.

    Raises:
        AwsError: InvalidInput for an entry that says nothing, or several things, or misplaces a wildcard.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        for entry in entries:
            if len(entry) != 1:
                raise invalid("A policy identifier must have exactly one of PolicyType, PolicyArn, InlinePolicyIdentifier.")
        self._kinds = {entry["PolicyType"] for entry in entries if "PolicyType" in entry}
        self._arns = [_arn_pattern(entry["PolicyArn"]) for entry in entries if "PolicyArn" in entry]
        self._inline = [entry["InlinePolicyIdentifier"] for entry in entries if "InlinePolicyIdentifier" in entry]

    @property
    def without_boundary(self) -> bool:
        """Whether the permissions boundary is left out."""
        return _BOUNDARY in self._kinds

    def match(self, policy: Attached) -> bool:
        """Whether a policy is left out."""
        if policy.kind in self._kinds:
            return True
        if policy.kind != "inline":
            return any(pattern.fullmatch(policy.name) for pattern in self._arns)
        return any(
            entry["PolicyName"] == policy.name
            and entry["AttachmentType"] == policy.owner_kind
            and entry["AttachmentName"].lower() == policy.owner_name.lower()
            for entry in self._inline
        )


def _arn_pattern(arn: str) -> re.Pattern[str]:
    """An ARN whose last part may hold one ``*`` and any number of ``?``."""
    head, _, name = arn.rpartition("/")
    if parse_arn(arn) is None or "*" in head or "?" in head or name.count("*") > 1:
        raise invalid(f"Invalid policy identifier: {arn}")
    return re.compile("".join(".*" if each == "*" else "." if each == "?" else re.escape(each) for each in arn))
