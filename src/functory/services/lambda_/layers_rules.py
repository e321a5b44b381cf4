"""How layers are named and what lists of them a function may have: validation with AWS's texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.kernel.limits import CODE_UNZIPPED_BYTES
from functory.services.lambda_ import errors
from functory.services.lambda_.layers_records import LayerUse

LAYERS_MAX = 5
_NAME = r"(?P<name>[a-zA-Z0-9-_]{1,140})"
_ARN = re.compile(
    rf"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{{12}}):layer:{_NAME}(:(?P<number>[0-9]+))?",
    re.ASCII,
)
_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:"
    r"[a-zA-Z0-9-_]{1,140}|[a-zA-Z0-9-_]{1,140})"
)


@dataclass(frozen=True, slots=True)
class LayerRef:
    """What the name of a layer stands for."""

    account_id: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """Of the layer, without a version."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:layer:{self.name}"


def layer(ctx: CallContext, text: str, action: str) -> LayerRef:
    """The layer of a ``LayerName`` parameter, which must be the caller's own.

    Args:
        ctx: who asks, and where.
        text: a name or the ARN of a layer without version.
        action: the IAM action, for the error of a foreign account.

    Raises:
        AwsError: malformed; of another region or account.
    """
    ref = any_layer(ctx, text)
    if ref.account_id != ctx.account_id:
        raise errors.access_denied(ctx.account_id, action, ref.arn)
    return ref


def any_layer(ctx: CallContext, text: str) -> LayerRef:
    """As `layer`, of any account.

    Raises:
        AwsError: malformed, or of another region.
    """
    if re.fullmatch(_NAME, text, re.ASCII):
        return LayerRef(ctx.account_id, ctx.region, text)
    match = _ARN.fullmatch(text)
    if match is None or match["number"] is not None:
        raise errors.constraint(text, "layerName", f"Member must satisfy regular expression pattern: {_PATTERN}")
    ref = LayerRef(match["account"], match["region"], match["name"])
    _check_reachable(ctx, ref)
    return ref


def layer_version(ctx: CallContext, arn: str) -> tuple[LayerRef, int]:
    """Layer and number of a layer version's ARN.

    Raises:
        AwsError: malformed, of another region, or a layer of AWS's own.
    """
    ref, number = split(arn)
    _check_reachable(ctx, ref)
    return ref, number


def split(arn: str) -> tuple[LayerRef, int]:
    """Layer and number of a layer version's ARN, wherever it is.

    Raises:
        AwsError: malformed, or a layer of AWS's own.
    """
    match = _ARN.fullmatch(arn)
    if match is None or match["number"] is None:
        if ":awslayer:" in arn:
            raise errors.unsupported(f"The layer {arn}")
        raise errors.invalid(f"Invalid layer version ARN: {arn}")
    return LayerRef(match["account"], match["region"], match["name"]), check_number(int(match["number"]))


def check_number(number: int) -> int:
    """The number of a layer version.

    Raises:
        AwsError: no version has it.
    """
    if number < 1:
        raise errors.invalid("Layer Version Cannot be less than 1")
    return number


def _check_reachable(ctx: CallContext, ref: LayerRef) -> None:
    if ref.region != ctx.region:
        raise AwsError(
            "ResourceNotFoundException", f"Layers from '{ref.region}' are not reachable in this region ('{ctx.region}')"
        )


def check_list(arns: Sequence[str], region: str) -> list[tuple[LayerRef, int]]:
    """The ``Layers`` of a function, in order.

    Raises:
        AwsError: too many, of another region, or one layer twice.
    """
    if len(arns) > LAYERS_MAX:
        raise errors.invalid(f"Cannot reference more than {LAYERS_MAX} layers.")
    found: list[tuple[LayerRef, int]] = []
    for arn in arns:
        ref, number = split(arn)
        if ref.region != region:
            raise errors.invalid(
                f"Layers are not in the same region as the function. Layers are expected to be in region {region}."
            )
        for other, its_number in found:
            if other == ref:
                raise errors.invalid(
                    "Two different versions of the same layer are not allowed to be referenced in the same function. "
                    f"{arn} and {other.arn}:{its_number} are versions of the same layer."
                )
        found.append((ref, number))
    return found


def check_sizes(layers: Sequence[LayerUse], code_bytes: int) -> None:
    """Refuse layers that are too large alone or together with the code.

    Args:
        code_bytes: of the function's own package, unzipped.

    Raises:
        AwsError: they are.
    """
    size = sum(layer.unzipped_bytes for layer in layers)
    if size > CODE_UNZIPPED_BYTES:
        raise errors.invalid(f"Layers consume more than the available size of {CODE_UNZIPPED_BYTES} bytes")
    if layers and size + code_bytes > CODE_UNZIPPED_BYTES:
        raise errors.invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {CODE_UNZIPPED_BYTES} bytes. "
            f"The actual size is {size + code_bytes} bytes."
        )
