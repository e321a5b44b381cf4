"""What a host name in AWS's form says: service, region, and the bucket, id or account in front.

AWS's names are understood under ``localhost``, ``localhost.localstack.cloud`` and AWS's own domains, with or without port:
``lambda.us-east-1.amazonaws.com``, ``s3.eu-west-1.localhost:4566``, ``mybucket.s3.localhost``, ``mybucket.localhost``,
``<id>.lambda-url.us-east-1.on.aws``, ``logs.us-east-1.api.aws``. Addresses and any other name say nothing.

The grammar, read from the right: domain, then a region, then ``dualstack``, then the service (one or two labels, perhaps
with ``fips`` or an operation's host prefix such as ``sync-``), and what is left is the prefix. Under the local domains a
name without region whose last label is no service is all prefix: so SDKs address buckets at a custom endpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from functory.aws import routing_catalog as catalog

_LOCAL_DOMAINS = (".localhost.localstack.cloud", ".localhost")
_AWS_DOMAINS = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".api.aws",
    ".on.aws",
    ".api.amazonwebservices.com.cn",
)
HOST_CHARS_MAX = 253
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2}")
_LEGACY_S3 = re.compile(r"(s3(?:-website)?)-([a-z]{2,4}(?:-[a-z]+){1,3}-\d{1,2})")
_DIRECTORY_BUCKETS = re.compile(r"s3express-(?:[a-z0-9]+-az\d+|control)")
# Names in hosts that are no endpoint prefix of botocore, and the endpoint prefix they stand for.
_ALIASES = {"ddb": "dynamodb", "queue": "sqs", "s3-accelerate": "s3"}
# Host parts that serve data rather than an API of a model.
DATA_PLANES = frozenset(
    {"lambda-url", "execute-api", "s3-website", "s3-accesspoint", "s3-object-lambda", "s3-outposts", "s3-global"}
)
# Static parts botocore puts before the endpoint prefix for single operations (``hostPrefix``), and the operation types of
# account endpoints (``123456789012.data-kinesis…``).
_HOST_PREFIXES = frozenset(
    {"analytics", "control", "data", "query", "runtime", "storage", "streaming", "sync", "tags", "workflows"}
)


@dataclass(frozen=True, slots=True)
class Host:
    """What a host name says; all None for a plain one.

    Attributes:
        service: endpoint prefix (``monitoring``), or one of `DATA_PLANES`.
        region: the region in the name.
        prefix: what stands before the service (bucket, function URL id, API id, account id); may hold dots.
        local_name: the whole name before a local domain when it has no region: a bucket may be called ``logs``, and only
            the signature tells whether ``logs.localhost`` is that bucket or the service.
    """

    service: str | None = None
    region: str | None = None
    prefix: str | None = None
    local_name: str | None = None


PLAIN = Host()


@lru_cache(maxsize=512)
def parse(host_header: str) -> Host:
    """Read a ``Host`` header (with or without port)."""
    name = _without_port(host_header.strip().lower())
    if len(name) > HOST_CHARS_MAX:
        return PLAIN
    for domain in _LOCAL_DOMAINS:
        if name.endswith(domain):
            return _read(name[: -len(domain)], local=True)
    for domain in _AWS_DOMAINS:
        if name.endswith(domain):
            return _read(name[: -len(domain)], local=False)
    return PLAIN


def _without_port(name: str) -> str:
    head, colon, port = name.rpartition(":")
    if colon and (port.isdigit() or not port):
        name = head
    return name.rstrip(".")


def _read(name: str, *, local: bool) -> Host:
    labels = name.split(".")
    if not all(labels):
        return PLAIN
    region = _take_region(labels)
    if labels and labels[-1] == "dualstack":
        labels.pop()
    if not labels:
        return PLAIN if region is None else Host(region=region)
    service, width = _service(labels)
    if width == 0 and (not local or region is not None):
        service, width = labels[-1], 1  # AWS's form, so it is a service, though one botocore does not know
    prefix = ".".join(labels[: len(labels) - width]) or None
    return Host(service, region, prefix, name if local and region is None else None)


def _take_region(labels: list[str]) -> str | None:
    """Remove the region from where AWS's forms have it: last, first of two (old SQS), or joined to ``s3`` by a dash."""
    if _REGION.fullmatch(labels[-1]):
        return labels.pop()
    if labels[-1] in ("global", "aws-global") and len(labels) > 1:
        labels.pop()
        return None
    if len(labels) == 2 and labels[1] in ("queue", "sqs") and _REGION.fullmatch(labels[0]):
        return labels.pop(0)
    if legacy := _LEGACY_S3.fullmatch(labels[-1]):
        labels[-1] = legacy[1]
        return legacy[2]
    return None


def _service(labels: list[str]) -> tuple[str | None, int]:
    """The endpoint prefix at the end of the labels and how many labels it took; (None, 0) when there is none."""
    for width in (2, 1):
        if len(labels) >= width and (known := _endpoint_prefix(".".join(labels[-width:]))):
            return known, width
    return None, 0


def _endpoint_prefix(text: str) -> str | None:
    text = text.replace("-fips", "").removeprefix("fips-") if "fips" in text else text
    if text in catalog.endpoints() or text in DATA_PLANES:
        return text
    if text in _ALIASES:
        return _ALIASES[text]
    if _DIRECTORY_BUCKETS.fullmatch(text):
        return "s3"
    head, dash, rest = text.partition("-")
    return rest if dash and head in _HOST_PREFIXES and rest in catalog.endpoints() else None
