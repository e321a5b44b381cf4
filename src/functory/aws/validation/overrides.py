"""Constraints a service checks itself, with its own error and text, though its model states them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functory.aws.arn import Arn
from functory.aws.errors import AwsError


@dataclass(frozen=True, slots=True)
class Override:
    """A service's own check of an enum member, in place of the framework's.

    Attributes:
        accepts: whether a value outside the enum is nevertheless fine.
        error: the error for one that is not, from value, path and the framework's text. It is raised only when the
            parameters keep all other constraints, because the framework looks at them first.
    """

    accepts: Callable[[Any], bool]
    error: Callable[[str, str, str], AwsError]


def _is_arn(value: Any) -> bool:
    return Arn.parse(value) is not None


def _unknown_runtime(value: str, path: str, text: str) -> AwsError:
    # AWS: no count in front and no quotes, and the code is Lambda's own (seen in many CreateFunction errors).
    return AwsError(
        "InvalidParameterValueException", f"Value {value} at '{path}' failed to satisfy constraint: {text} or be a valid ARN"
    )


_RUNTIME = Override(accepts=_is_arn, error=_unknown_runtime)

# By service, then by structure and member.
OVERRIDES: Mapping[str, Mapping[tuple[str, str], Override]] = {
    "lambda": {
        ("CreateFunctionRequest", "Runtime"): _RUNTIME,
        ("UpdateFunctionConfigurationRequest", "Runtime"): _RUNTIME,
    },
}


_IAM_NAME = (
    "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
)
_IAM_PATH = (
    "The specified value for {member} is invalid. "
    "It must begin and end with / and contain only alphanumeric characters and/or / characters."
)
PATTERN_TEXTS: Mapping[str, Mapping[str, str]] = {
    "iam": {
        "existingUserNameType": _IAM_NAME,
        "groupNameType": _IAM_NAME,
        "instanceProfileNameType": _IAM_NAME,
        "pathType": _IAM_PATH,
        "policyNameType": _IAM_NAME,
        "policyPathType": _IAM_PATH,
        "roleNameType": _IAM_NAME,
        "userNameType": _IAM_NAME,
    },
}
"""By service and shape: what is said, with the service's usual code, of a value that breaks the shape's pattern and nothing
else, where the service and not the framework checks it."""
