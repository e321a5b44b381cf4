"""What is wrong with a request's bytes, and the error each protocol and service answers then.

Readers raise `Malformed`; only ``requests.parse_request`` catches it and turns it into an `AwsError`. The codes are not in
the models (they are answers of AWS's front ends), so they are written down here, once.
"""

from __future__ import annotations

from typing import Literal

from functory.aws.errors import AwsError

DEPTH_MAX = 100
"""How deeply values of one request may be nested; DynamoDB's documents (32 levels) are the deepest AWS allows."""

Part = Literal["syntax", "value", "parameter"]

_CODES = {
    "json": "SerializationException",
    "rest-json": "SerializationException",
    "smithy-rpc-v2-cbor": "SerializationException",
    "query": "MalformedInput",
    "ec2": "MalformedInput",
    "rest-xml": "MalformedXML",
}
# AWS: S3 answers every fault of an XML body with this text, and names the header or query parameter otherwise.
_XML_TEXT = "The XML you provided was not well-formed or did not validate against our published schema"
_SYNTAX: dict[str, tuple[str, str]] = {
    "lambda": ("InvalidRequestContentException", "Could not parse request body into json: "),
}


class Malformed(Exception):  # noqa: N818 - a word of this package only, never seen outside
    """A request cannot be read.

    Args:
        text: what is wrong, in AWS's words where they are known.
        part: ``syntax`` when the body is not JSON, XML or CBOR at all, ``value`` when a value in it has the wrong type,
            ``parameter`` when a header, query parameter or path label has.
    """

    def __init__(self, text: str, part: Part = "value") -> None:
        super().__init__(text)
        self.text = text
        self.part = part


def refusal(service: str, protocol: str, fault: Malformed) -> AwsError:
    """The error to answer, always with status 400."""
    if fault.part == "syntax" and service in _SYNTAX:
        code, prefix = _SYNTAX[service]
        return AwsError(code, prefix + fault.text, status=400)
    if protocol == "rest-xml":
        if fault.part == "parameter":
            return AwsError("InvalidArgument", fault.text, status=400)
        return AwsError("MalformedXML", _XML_TEXT, status=400)
    return AwsError(_CODES[protocol], fault.text, status=400)
