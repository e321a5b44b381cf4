"""The errors of SQS that more than one operation gives, in AWS's words."""

from __future__ import annotations

from functory.aws.errors import AwsError


def no_queue() -> AwsError:
    """The queue does not exist."""
    return AwsError("QueueDoesNotExist", "The specified queue does not exist.")


def invalid_value(parameter: str, value: object, reason: str) -> AwsError:
    """A parameter that the model allows and the queue does not."""
    return AwsError(
        "InvalidParameterValue", f"Value {value} for parameter {parameter} is invalid. Reason: {reason}", status=400
    )


def missing(parameter: str) -> AwsError:
    """A parameter without which this queue cannot do it."""
    return AwsError("MissingParameter", f"The request must contain the parameter {parameter}.", status=400)


def unsupported(text: str) -> AwsError:
    """Something that Functory's SQS does not have."""
    return AwsError("UnsupportedOperation", text)
