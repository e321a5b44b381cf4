"""How long a request's body may be, by what the request says of itself. Pure.

AWS: 6 MiB for Invoke, 70,167,211 bytes for the operations that carry code; both literal in AWS's error texts.
"""

from __future__ import annotations

from functory.aws.errors import AwsError
from functory.aws.function_urls import is_function_url
from functory.aws.http import HttpRequest
from functory.kernel.limits import CREATE_REQUEST_BYTES, SYNC_REQUEST_BYTES


def is_invoke(request: HttpRequest) -> bool:
    """Whether this is Lambda's Invoke, which takes the short way through the pipeline."""
    path = request.path
    return request.method == "POST" and path.endswith("/invocations") and path.startswith("/2015-03-31/functions/")


def _is_streaming_invoke(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path.endswith("/response-streaming-invocations")


def body_limit(request: HttpRequest) -> int:
    """Bytes of body that are read into memory for a request with this head."""
    is_bounded = is_invoke(request) or _is_streaming_invoke(request) or is_function_url(request)
    return SYNC_REQUEST_BYTES if is_bounded else CREATE_REQUEST_BYTES


def too_large(request: HttpRequest, operation: str) -> AwsError:
    """What the sender of a longer body is told."""
    if is_invoke(request) or _is_streaming_invoke(request):
        name = "InvokeFunction" if is_invoke(request) else operation
        text = f"Request must be smaller than {SYNC_REQUEST_BYTES} bytes for the {name} operation"
        return AwsError("RequestTooLargeException", text)
    text = f"Request must be smaller than {CREATE_REQUEST_BYTES} bytes for the {operation} operation"
    return AwsError("RequestEntityTooLargeException", text, status=413)
