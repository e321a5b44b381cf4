"""AWS's words when IAM refuses."""

from __future__ import annotations

from collections.abc import Mapping

from functory.aws.errors import AwsError

_MISSING: Mapping[str, str] = {
    "user": "The user with name {} cannot be found.",
    "group": "The group with name {} cannot be found.",
    "role": "The role with name {} cannot be found.",
    "instance-profile": "Instance Profile {} cannot be found.",
}
_TAKEN: Mapping[str, str] = {
    "user": "User with name {} already exists.",
    "group": "Group with name {} already exists.",
    "role": "Role with name {} already exists.",
    "policy": "A policy called {} already exists. Duplicate names are not allowed.",
    "instance-profile": "Instance Profile {} already exists.",
}


def missing(kind: str, name: str) -> AwsError:
    """No entity of that kind and name."""
    return no_such_entity(_MISSING[kind].format(name))


def taken(kind: str, name: str) -> AwsError:
    """The name is in use, perhaps in another case."""
    return AwsError("EntityAlreadyExists", _TAKEN[kind].format(name))


def no_such_entity(text: str) -> AwsError:
    """Something that was named does not exist."""
    return AwsError("NoSuchEntity", text)


def no_policy(arn: str) -> AwsError:
    """No managed policy has that ARN, or it is not attached where it was said to be."""
    return no_such_entity(f"Policy {arn} was not found.")


def not_attachable(arn: str) -> AwsError:
    """Nothing to attach has that ARN."""
    return no_such_entity(f"Policy {arn} does not exist or is not attachable.")


def conflict(text: str) -> AwsError:
    """What shall go is in use."""
    return AwsError("DeleteConflict", text)


def invalid(text: str) -> AwsError:
    """A parameter that AWS answers with InvalidInput."""
    return AwsError("InvalidInput", text)


def validation(text: str) -> AwsError:
    """A parameter that AWS answers with ValidationError."""
    return AwsError("ValidationError", text, status=400)


def malformed(text: str) -> AwsError:
    """A policy document that is none."""
    return AwsError("MalformedPolicyDocument", text)


def over(quota: str, limit: int) -> AwsError:
    """More than AWS's quota, by the quota's name."""
    return AwsError("LimitExceeded", f"Cannot exceed quota for {quota}: {limit}")
