"""The ``Resource`` of a policy statement: ``*`` or an ARN pattern, with AWS's sentence for what is neither. Pure.

Policy variables (``${aws:username}``) may hold colons, so they are set aside before an ARN is taken apart.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_VARIABLE = re.compile(r"\$\{[^}]*\}")
_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f")
_IAM_TYPES = (
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
)


def check_resource(resource: str) -> str:
    """AWS's sentence for a resource that is none; ``""`` when it is well-formed."""
    if resource == "*":
        return ""
    parts = _VARIABLE.sub("$", resource).split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return f'Resource {resource} must be in ARN format or "*".'
    _, partition, vendor, region, _, path = parts
    if not any(fnmatchcase(known, partition) for known in _PARTITIONS):
        return f'Partition "{partition}" is not valid for resource "{resource}".'
    if not vendor or not re.fullmatch(r"[A-Za-z0-9-]+", vendor):
        return "Resource vendor must be fully qualified and cannot contain regexes."
    if not path:
        return f'Resource {resource} must be in ARN format or "*".'
    if vendor == "iam":
        return _check_iam(resource, region, path)
    if vendor == "s3" and region:
        return f"Resource {resource} can not contain region information."
    return ""


def _check_iam(resource: str, region: str, path: str) -> str:
    if region:
        return f"IAM resource {resource} cannot contain region information."
    if (
        path in {"root", "*"}
        or "*" in path.partition("/")[0]
        or "$" in path.partition("/")[0]
        or path.startswith(_IAM_TYPES)
    ):
        return ""
    return f'IAM resource path must either be "*" or start with {", ".join(_IAM_TYPES)}.'
