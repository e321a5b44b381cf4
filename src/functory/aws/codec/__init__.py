"""The wire formats of AWS's APIs from the server's side: bytes ↔ values, driven by botocore's models.

::

    parse_request       request  → parameters
    serialize_response  result   → response
    serialize_error     AwsError → response

Nothing here does I/O, checks constraints (``aws.validation``) or knows what an operation means.
``docs/architecture/codecs.md`` shows how the rooms fit together.
"""

from functory.aws.codec.errors import serialize_error
from functory.aws.codec.requests import parse_request
from functory.aws.codec.responses import serialize_response

__all__ = ["parse_request", "serialize_error", "serialize_response"]
