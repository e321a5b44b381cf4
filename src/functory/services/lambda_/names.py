"""Function names as the callers of the Lambda API write them, with AWS's errors for those that lead nowhere."""

from __future__ import annotations

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.names import BadFunctionName, FunctionRef, parse
from functory.services.lambda_ import errors

_NAME_LENGTH = 64
_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


def resolve(ctx: CallContext, text: str, qualifier: str = "", *, action: str = "lambda:GetFunction") -> FunctionRef:
    """What the caller names, in their account and region.

    Args:
        ctx: who asks, and where.
        text: any of AWS's forms.
        qualifier: the separate ``Qualifier`` parameter, ``""`` when absent.
        action: the IAM action, for the error of a foreign account.

    Raises:
        AwsError: malformed; another region or account; two different qualifiers.
    """
    try:
        ref = parse(text, ctx.account_id, ctx.region)
    except BadFunctionName:
        raise errors.constraint(
            text, "functionName", f"Member must satisfy regular expression pattern: {_PATTERN}"
        ) from None
    if ref.region != ctx.region:
        raise AwsError(
            "ResourceNotFoundException",
            f"Functions from '{ref.region}' are not reachable in this region ('{ctx.region}')",
        )
    if ref.account_id != ctx.account_id:
        raise errors.access_denied(ctx.account_id, action, ref.arn)
    if qualifier and ref.qualifier and qualifier != ref.qualifier:
        raise errors.invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return FunctionRef(ref.account_id, ref.region, ref.name, qualifier or ref.qualifier)


def resolve_function(ctx: CallContext, text: str, *, action: str) -> FunctionRef:
    """As `resolve`, for operations on a function as a whole: ``$LATEST`` is the only qualifier it may carry.

    Raises:
        AwsError: as `resolve`, or a version or alias was named.
    """
    ref = resolve(ctx, text, action=action)
    if ref.qualifier not in ("", "$LATEST"):
        raise errors.invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )
    return FunctionRef(ref.account_id, ref.region, ref.name)


def resolve_new(ctx: CallContext, text: str) -> FunctionRef:
    """The name of a function to be created.

    Raises:
        AwsError: as `resolve_function`, or the name alone is too long.
    """
    ref = resolve_function(ctx, text, action="lambda:CreateFunction")
    if len(ref.name) > _NAME_LENGTH:
        raise errors.constraint(ref.name, "functionName", f"Member must have length less than or equal to {_NAME_LENGTH}")
    if "." in ref.name:
        raise errors.constraint(
            text, "functionName", f"Member must satisfy regular expression pattern: {_PATTERN.replace('.]', ']')}"
        )
    return ref
