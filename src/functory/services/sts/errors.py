"""AWS's words when STS refuses."""

from __future__ import annotations

from functory.aws.errors import AwsError


def invalid(text: str) -> AwsError:
    """A parameter that cannot be accepted."""
    return AwsError("ValidationError", text, status=400)


def unsupported(what: str) -> AwsError:
    """Something AWS has and this version of Functory has not."""
    return invalid(f"{what} is not supported by this version of Functory.")


def denied(text: str) -> AwsError:
    """The caller may not."""
    return AwsError("AccessDenied", text, status=403)


def bad_policy(text: str) -> AwsError:
    """A session policy that is none."""
    return AwsError("MalformedPolicyDocumentException", text)


def too_large(percent: int) -> AwsError:
    """Session policies and tags that do not fit."""
    return AwsError(
        "PackedPolicyTooLargeException",
        f"Packed size of session tags and session policies consumes {percent}% of allotted space.",
    )


def bad_token(text: str) -> AwsError:
    """A web identity token that is not accepted."""
    return AwsError("InvalidIdentityTokenException", text)
