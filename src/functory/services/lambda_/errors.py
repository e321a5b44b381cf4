"""AWS's errors of the Lambda service with AWS's texts, each in one place.

Texts that clients match on are literal; those of our own say that Functory does not support something.
"""

from __future__ import annotations

from functory.aws.errors import AwsError


def invalid(text: str) -> AwsError:
    """A parameter that cannot be accepted."""
    return AwsError("InvalidParameterValueException", text)


def constraint(value: object, member: str, rule: str) -> AwsError:
    """A value outside what AWS's own validation admits, in its words."""
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"
    return AwsError("ValidationException", text, status=400)


def unsupported(what: str) -> AwsError:
    """Something AWS has and this version of Functory has not."""
    return invalid(f"{what} is not supported by this version of Functory.")


def not_found(arn: str) -> AwsError:
    """No such function, version or alias; ``arn`` as asked for, qualifier included."""
    return AwsError("ResourceNotFoundException", f"Function not found: {arn}")


def conflict(text: str) -> AwsError:
    """The resource is in the way of itself or of another."""
    return AwsError("ResourceConflictException", text)


def update_in_progress(arn: str) -> AwsError:
    """A change while the last one is being prepared."""
    return conflict(f"The operation cannot be performed at this time. An update is in progress for resource: {arn}")


def in_state(state: str) -> AwsError:
    """Something a function in this state cannot do."""
    return conflict(
        f"The operation cannot be performed at this time. The function is currently in the following state: {state}"
    )


def absent(text: str) -> AwsError:
    """Something other than a function that does not exist."""
    return AwsError("ResourceNotFoundException", text)


def statement_exists(sid: str) -> AwsError:
    """A policy has a statement of that id already."""
    return conflict(
        f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing "
        "statement."
    )


def revision_mismatch(api: str = "GetFunction/GetAlias") -> AwsError:
    """``RevisionId`` is not that of the resource; ``api`` tells the right one."""
    return AwsError(
        "PreconditionFailedException",
        f"The Revision Id provided does not match the latest Revision Id. Call the {api} API to retrieve "
        "the latest Revision Id",
    )


def recursive() -> AwsError:
    """An invocation that would go on with a recursive loop."""
    return AwsError(
        "RecursiveInvocationException",
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your "
        "function's invocation.",
    )


def access_denied(account_id: str, action: str, arn: str) -> AwsError:
    """Another account's function: nothing grants access across accounts yet."""
    return AwsError(
        "AccessDeniedException",
        f"User: arn:aws:iam::{account_id}:root is not authorized to perform: {action} on resource: {arn} because no "
        f"resource-based policy allows the {action} action",
        status=403,
    )
