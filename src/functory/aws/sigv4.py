"""Who a request says it is: the credential scope of SigV4, SigV4a and S3's old SigV2, in the header or the query.

Owns reading the *claim*; it verifies nothing. Routing needs only the claim (signing name, region, access key), so only
``Credential`` must be there and well-formed; the presence and truth of ``SignedHeaders``, ``Signature`` and the date is the
verifier's question. A verifier reads the same request with `authorization_fields` and compares against the same
`CredentialScope`, so claim and proof cannot be taken from different places.

Texts of a broken claim are AWS's own. Their code is ``IncompleteSignature`` (query and REST services; JSON services of AWS
append ``Exception``, which SDKs strip or tolerate alike).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import unquote

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest

V4 = "AWS4-HMAC-SHA256"
V4A = "AWS4-ECDSA-P256-SHA256"
V2 = "AWS"
_TERMINATOR = "aws4_request"
_ACCOUNT_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """What the request claims about its signer.

    Attributes:
        access_key: the access key id, never empty.
        date: ``YYYYMMDD`` as claimed; empty under SigV2, which has none.
        region: None where the scheme names none (SigV2) or no single one (SigV4a with ``*`` or several).
        service: the signing name (``lambda``, ``monitoring``); None for SigV2 on a query service, which names none.
        presigned: the claim came in the query string.
        algorithm: `V4`, `V4A` or `V2`.
    """

    access_key: str
    date: str
    region: str | None
    service: str | None
    presigned: bool
    algorithm: str


def parse_scope(request: HttpRequest) -> CredentialScope | None:
    """The credential scope a request claims; None when it is not signed in any AWS way (a bearer token is not).

    The header wins over the query string.

    Raises:
        AwsError: ``IncompleteSignature`` (400) for a claim that cannot be read; ``SignatureDoesNotMatch`` (403) for a
            scope with the wrong terminator; ``InvalidArgument`` (400) for a broken SigV2 header.
    """
    header = request.headers.get("authorization")
    if header is not None and header.startswith("AWS"):
        return _from_header(header, request)
    query = request.query
    if "X-Amz-" in query and ("X-Amz-Credential=" in query or "X-Amz-Algorithm=" in query):
        return _from_query(request)
    if "AWSAccessKeyId=" in query:
        return _from_query_v2(query)
    return None


def account_id(access_key: str | None, default: str) -> str:
    """The account a caller acts in: an access key of 12 digits *is* the account id, any other belongs to ``default``."""
    if access_key is not None and len(access_key) == _ACCOUNT_ID_DIGITS and access_key.isascii() and access_key.isdigit():
        return access_key
    return default


def authorization_fields(header: str) -> dict[str, str]:
    """The ``key=value`` fields of a SigV4 or SigV4a ``Authorization`` header.

    Raises:
        AwsError: ``IncompleteSignature`` when a field has no equal sign.
    """
    fields: dict[str, str] = {}
    for part in header.partition(" ")[2].split(","):
        key, equals, value = part.strip().partition("=")
        if equals:
            fields.setdefault(key, value)
        elif key:
            raise _incomplete(
                f"'{key}' not a valid key=value pair (missing equal-sign) in Authorization header: {_digest(header)}."
            )
    return fields


def _from_header(header: str, request: HttpRequest) -> CredentialScope:
    algorithm = header.partition(" ")[0].rstrip(",")
    if algorithm == V2:
        return _from_header_v2(header)
    if algorithm not in (V4, V4A):
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    credential = authorization_fields(header).get("Credential")
    if credential is None:
        raise _incomplete(f"Authorization header requires 'Credential' parameter. {_digest(header)}")
    region_set = request.headers.get("x-amz-region-set", "")
    return _scope(credential, algorithm, region_set=region_set, presigned=False)


def _from_query(request: HttpRequest) -> CredentialScope:
    fields = _query_fields(request.query)
    credential = fields.get("X-Amz-Credential")
    if credential is None:
        raise _incomplete(
            "AWS query-string parameters must include 'X-Amz-Credential'. Re-examine the query-string parameters."
        )
    algorithm = fields.get("X-Amz-Algorithm", V4)
    if algorithm not in (V4, V4A):
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    return _scope(credential, algorithm, region_set=fields.get("X-Amz-Region-Set", ""), presigned=True)


def _scope(credential: str, algorithm: str, *, region_set: str, presigned: bool) -> CredentialScope:
    parts = credential.split("/")
    if algorithm == V4A:  # keyid/date/service/term: the regions are in their own field
        if len(parts) != 4 or not parts[0]:
            raise _incomplete(
                f"Credential must have exactly 4 slash-delimited elements, e.g. keyid/date/service/term, got '{credential}'"
            )
        access_key, date, service, terminator = parts
        region = None if "," in region_set or "*" in region_set else region_set.strip() or None
    else:
        if len(parts) != 5 or not parts[0]:
            raise _incomplete(
                "Credential must have exactly 5 slash-delimited elements, "
                f"e.g. keyid/date/region/service/term, got '{credential}'"
            )
        access_key, date, regional, service, terminator = parts
        region = regional or None
    if terminator != _TERMINATOR:
        text = f"Credential should be scoped with a valid terminator: '{_TERMINATOR}', not '{terminator}'."
        raise AwsError("SignatureDoesNotMatch", text, status=403)
    return CredentialScope(access_key, date, region, service, presigned, algorithm)


def _from_header_v2(header: str) -> CredentialScope:
    access_key, colon, signature = header.partition(" ")[2].strip().rpartition(":")
    if not (access_key and colon and signature):
        text = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        raise AwsError("InvalidArgument", text, status=400)
    return CredentialScope(access_key, "", None, "s3", presigned=False, algorithm=V2)


def _from_query_v2(query: str) -> CredentialScope | None:
    fields = _query_fields(query)
    access_key = fields.get("AWSAccessKeyId")
    if not access_key:
        return None
    service = None if "SignatureVersion" in fields else "s3"  # S3's presigned form has no version field
    return CredentialScope(access_key, "", None, service, presigned=True, algorithm=V2)


def _query_fields(query: str) -> dict[str, str]:
    """First value of every query parameter, percent-decoded (``+`` stays: signatures are not form data)."""
    fields: dict[str, str] = {}
    for part in query.split("&"):
        key, _, value = part.partition("=")
        fields.setdefault(unquote(key), unquote(value))
    return fields


def _digest(header: str) -> str:
    """AWS shows a hash of the header, so that no signature lands in a log."""
    digest = base64.b64encode(hashlib.sha256(header.encode("utf-8", "surrogateescape")).digest()).decode()
    return f"(Hashed with SHA-256 and encoded with Base64) Authorization={digest}"


def _incomplete(text: str) -> AwsError:
    return AwsError("IncompleteSignature", text, status=400)
