"""S3's two ways of naming a bucket, made one: a bucket in the host name is moved into the path.

The templates of S3's model are path style (``/{Bucket}/{Key+}``). With ``mybucket.s3.us-east-1.amazonaws.com`` or
``mybucket.localhost`` the path holds the key only. Access points, website and Object Lambda hosts are not rewritten: they
are data planes (`hosts.DATA_PLANES`) and never come here, except the answer of an Object Lambda function.
"""

from __future__ import annotations

from dataclasses import replace

from functory.aws.hosts import Host
from functory.aws.http import HttpRequest
from functory.aws.routing.tables import Match
from functory.aws.routing.trie import query_fields
from functory.aws.sigv4 import CredentialScope

_OBJECT_LAMBDA = "s3-object-lambda"
_OBJECT_LAMBDA_PATH = "/WriteGetObjectResponse"
_DIRECTORY_BUCKETS = "s3express"


def is_object_lambda_answer(request: HttpRequest, host: Host) -> bool:
    """Whether this is WriteGetObjectResponse, the one API operation on an Object Lambda host."""
    return host.service == _OBJECT_LAMBDA and request.path == _OBJECT_LAMBDA_PATH


def path_style(request: HttpRequest, host: Host, scope: CredentialScope | None) -> str:
    """The request's path with the bucket in front, wherever the request named it."""
    bucket = _bucket(host, scope)
    if bucket is None or (scope is not None and scope.service == _OBJECT_LAMBDA):
        return request.path
    return f"/{bucket}{request.path}"


def refine(match: Match | None, request: HttpRequest, scope: CredentialScope | None) -> Match | None:
    """Tell apart what the templates do not.

    Listing directory buckets is ListBuckets signed as S3 Express. A POST on a key without ``uploadId`` completes no upload;
    AWS answers it ``MethodNotAllowed``, not a validation error, so it is no match.
    """
    if match is None:
        return None
    if match.operation == "ListBuckets" and scope is not None and scope.service == _DIRECTORY_BUCKETS:
        return replace(match, operation="ListDirectoryBuckets")
    if match.operation == "CompleteMultipartUpload" and "uploadId" not in query_fields(request.query):
        return None
    return match


def _bucket(host: Host, scope: CredentialScope | None) -> str | None:
    if host.service in ("s3", None):
        return host.prefix
    # Signed for S3 at a name that happens to be a service's: a bucket called ``logs`` at ``logs.localhost``.
    return host.local_name if scope is not None else None
