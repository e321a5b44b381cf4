"""AWS's default quotas of IAM, by the names its errors and GetAccountSummary use.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

from collections.abc import Mapping

ENTITIES: Mapping[str, tuple[str, int]] = {
    "user": ("UsersPerAccount", 5000),
    "group": ("GroupsPerAccount", 300),
    "role": ("RolesPerAccount", 1000),
    "policy": ("PoliciesPerAccount", 1500),
    "instance-profile": ("InstanceProfilesPerAccount", 1000),
}
INLINE_SIZE: Mapping[str, int] = {"user": 2048, "group": 5120, "role": 10_240}
"""Characters of all inline policies together, without white space."""

ATTACHED: Mapping[str, tuple[str, int]] = {
    "user": ("PoliciesPerUser", 10),
    "group": ("PoliciesPerGroup", 10),
    "role": ("PoliciesPerRole", 10),
}
POLICY_SIZE = 6144
TRUST_SIZE = 2048
VERSIONS = 5
ACCESS_KEYS = 2
GROUPS_PER_USER = 10
TAGS = 50
OIDC_PROVIDERS = 100
CLIENT_IDS = 100
THUMBPRINTS = 5
