"""What a caller is told that may not do something, in AWS's words.

AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from functory.aws.errors import AwsError
from functory.core.authorization.evaluation import Decision, Source
from functory.core.identity.port import Principal

_JSON = ("json", "smithy-rpc-v2-cbor")


def refusal(principal: Principal, action: str, resource: str, decision: Decision, protocol: str) -> AwsError:
    """The error for a decision that was not to allow.

    Args:
        protocol: of the call; it decides code and status.
    """
    who = principal.arn or "anonymous"
    text = f"User: {who} is not authorized to perform: {action} on resource: {resource}{_why(action, decision)}"
    if protocol in ("query", "ec2", "rest-xml"):
        return AwsError("AccessDenied", text, status=403)
    return AwsError("AccessDeniedException", text, status=400 if protocol in _JSON else 403)


def _why(action: str, decision: Decision) -> str:
    source = decision.source
    if source is None or source is Source.TRUST:
        return ""  # AWS: AssumeRole does not say which side refused
    if decision.explicit:
        article = "an" if source is Source.IDENTITY else "a"
        return f" with an explicit deny in {article} {source.value}"
    return f" because no {source.value} allows the {action} action"
