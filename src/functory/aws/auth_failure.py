"""A request whose signer could not be established, and what AWS answers it in each family of services.

Services differ in code, status and sometimes text: the query protocol (IAM, STS), the JSON and REST protocols (Lambda, Logs)
and S3 each have their own. What went wrong is a `Failure`; `aws_error` turns it into the answer.
"""

from __future__ import annotations

from enum import Enum

from functory.aws.errors import AwsError
from functory.kernel.errors import FunctoryError


class Failure(Enum):
    """What is wrong with a request's credentials."""

    MISSING = "not signed"
    INCOMPLETE = "a part of the signature is missing"
    UNKNOWN_KEY = "no such access key, or an inactive one"
    BAD_SESSION = "the session token is not one, or of another access key"
    SESSION_OVER = "the session is over"
    MISMATCH = "the signature is another one"
    BAD_SCOPE = "signed for another service, or scoped wrongly"
    EXPIRED = "signed too long ago, or in the future"
    BAD_PAYLOAD = "the body is not the one that was signed"
    UNSUPPORTED = "signed in a way that is not verified here"


class AuthenticationFailed(FunctoryError):  # noqa: N818  reads as what it is
    """A request is not authenticated.

    Args:
        failure: what is wrong.
        text: AWS's words where they depend on the request, else ``""``.
    """

    def __init__(self, failure: Failure, text: str = "") -> None:
        super().__init__(text or failure.value)
        self.failure = failure
        self.text = text


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)
_BAD_TOKEN = "The security token included in the request is invalid."  # noqa: S105  a sentence
_EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105  a sentence

# Failure -> code, status (of rest protocols; JSON protocols answer 400), text
_TREE = {
    Failure.MISSING: ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
    Failure.INCOMPLETE: ("IncompleteSignatureException", 400, ""),
    Failure.UNKNOWN_KEY: ("UnrecognizedClientException", 403, _BAD_TOKEN),
    Failure.BAD_SESSION: ("UnrecognizedClientException", 403, _BAD_TOKEN),
    Failure.SESSION_OVER: ("ExpiredTokenException", 403, _EXPIRED_TOKEN),
    Failure.MISMATCH: ("InvalidSignatureException", 403, _MISMATCH),
    Failure.BAD_SCOPE: ("InvalidSignatureException", 403, ""),
    Failure.EXPIRED: ("InvalidSignatureException", 403, ""),
    Failure.BAD_PAYLOAD: ("InvalidSignatureException", 403, _MISMATCH),
    Failure.UNSUPPORTED: ("InvalidSignatureException", 403, ""),
}
_QUERY = {
    Failure.MISSING: ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    Failure.INCOMPLETE: ("IncompleteSignature", 400, ""),
    Failure.UNKNOWN_KEY: ("InvalidClientTokenId", 403, _BAD_TOKEN),
    Failure.BAD_SESSION: ("InvalidClientTokenId", 403, _BAD_TOKEN),
    Failure.SESSION_OVER: ("ExpiredToken", 403, _EXPIRED_TOKEN),
    Failure.MISMATCH: ("SignatureDoesNotMatch", 403, _MISMATCH),
    Failure.BAD_SCOPE: ("SignatureDoesNotMatch", 403, ""),
    Failure.EXPIRED: ("SignatureDoesNotMatch", 403, ""),
    Failure.BAD_PAYLOAD: ("SignatureDoesNotMatch", 403, _MISMATCH),
    Failure.UNSUPPORTED: ("SignatureDoesNotMatch", 403, ""),
}
_S3 = {
    Failure.MISSING: ("AccessDenied", 403, "Access Denied"),
    Failure.INCOMPLETE: ("AuthorizationHeaderMalformed", 400, ""),
    Failure.UNKNOWN_KEY: ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    Failure.BAD_SESSION: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    Failure.SESSION_OVER: ("ExpiredToken", 400, "The provided token has expired."),
    Failure.MISMATCH: (
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    Failure.BAD_SCOPE: ("AuthorizationHeaderMalformed", 400, ""),
    Failure.EXPIRED: (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    ),
    Failure.BAD_PAYLOAD: (
        "XAmzContentSHA256Mismatch",
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
    Failure.UNSUPPORTED: (
        "InvalidRequest",
        400,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ),
}


def aws_error(failed: AuthenticationFailed, service: str, protocol: str, *, presigned: bool = False) -> AwsError:
    """What the caller of a service is told.

    Args:
        failed: why.
        service: botocore's name.
        protocol: the one the request came in.
        presigned: the signature was in the query string.
    """
    if service == "s3" and failed.failure is Failure.EXPIRED and presigned:
        return AwsError("AccessDenied", "Request has expired", status=403)
    has_query_codes = service == "sqs" or protocol in ("query", "ec2", "rest-xml")
    table = _S3 if service == "s3" else _QUERY if has_query_codes else _TREE
    code, status, text = table[failed.failure]
    if not has_query_codes and protocol in ("json", "smithy-rpc-v2-cbor"):
        status = 400
    return AwsError(code, text or failed.text or _MISMATCH, status=status)
