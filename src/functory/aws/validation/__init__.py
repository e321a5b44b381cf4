"""Whether parsed parameters keep the constraints of an operation's model, answered in AWS's words.

Checks required members, lengths, ranges, patterns, enums, through lists, maps and structures. Does *not* check types (wrong
JSON types are the codec's ``SerializationException``) nor anything the model does not say (the services' rules). botocore's
model is the truth for enums, though AWS adds values later.

A validator is compiled from the input shape when its operation is first called and kept; see `compiler`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from functory.aws import model
from functory.aws.validation.compiler import Check, Own, compile_shape
from functory.aws.validation.overrides import OVERRIDES, PATTERN_TEXTS
from functory.aws.validation.texts import Enough, Findings

__all__ = ["validate"]


def validate(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Check the parameters of a call.

    Args:
        service: botocore's name.
        operation: the API's name.
        params: parsed parameters by member name, of the right types; a member that is None is a missing one.

    Raises:
        AwsError: constraints are broken; one error names them all (code by service, see `codes`).
        KeyError: botocore has no such service or operation.
    """
    check = _check(service, operation)
    if check is None:
        return
    findings = Findings()
    with suppress(Enough):
        check(params, None, findings)
    error = findings.error(service)
    if error is not None:
        raise error


@cache
def _check(service: str, operation: str) -> Check | None:
    shape = model.operation(service, operation).input_shape
    if shape is None:
        return None
    return compile_shape(shape, Own(service, OVERRIDES.get(service, {}), PATTERN_TEXTS.get(service, {})))
