"""Which error a service answers when parameters break the model's constraints.

Most services leave it to the framework in front of them: ``ValidationException`` (JSON and REST services) or
``ValidationError`` (query services), both with status 400 and in hardly any model. The exceptions are listed with their
source. A code that a model defines has no status here; the codec takes it from the model.
"""

from __future__ import annotations

from functory.aws import routing_catalog as catalog
from functory.aws.errors import AwsError

_QUERY_PROTOCOLS = frozenset({"query", "ec2"})
_BY_SERVICE: dict[str, tuple[str, int | None]] = {
    # Modelled; "A parameter is specified incorrectly." (CloudWatch Logs API reference, common to all operations)
    "logs": ("InvalidParameterException", None),
    # Modelled, on the wire ``InvalidParameter``; "a request parameter does not comply with the associated constraints"
    "sns": ("InvalidParameterException", None),
    # Modelled; "The submitted request is not valid, for example, the input is incomplete or incorrect." (API Gateway)
    "apigateway": ("BadRequestException", None),
    "apigatewayv2": ("BadRequestException", None),
    # Not modelled; S3 User Guide, "List of error codes": InvalidArgument, 400
    "s3": ("InvalidArgument", 400),
    # Not modelled; EC2 API reference, "Error codes": InvalidParameterValue, 400
    "ec2": ("InvalidParameterValue", 400),
}


def error(service: str, message: str) -> AwsError:
    """The service's error for broken constraints.

    Raises:
        KeyError: no AWS service has that name.
    """
    code, status = _BY_SERVICE.get(service) or _by_protocol(service)
    return AwsError(code, message, status=status)


def _by_protocol(service: str) -> tuple[str, int | None]:
    # Services that moved from query to JSON or CBOR (SQS, CloudWatch) kept the code their clients match on.
    speaks_query = not _QUERY_PROTOCOLS.isdisjoint(catalog.rows()[service].protocols)
    return ("ValidationError" if speaks_query else "ValidationException"), 400
