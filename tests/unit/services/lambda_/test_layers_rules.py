from __future__ import annotations

import pytest

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.lambda_ import layers_rules
from functory.services.lambda_.layers_records import LayerUse
from functory.services.lambda_.layers_rules import LayerRef

CTX = CallContext("123456789012", "eu-central-1", "r")
BASE = "arn:aws:lambda:eu-central-1:123456789012:layer"


def use(unzipped_bytes: int) -> LayerUse:
    return LayerUse(f"{BASE}:l:1", "k", 1, unzipped_bytes)


def test_a_layer_is_named_by_name_or_arn() -> None:
    expected = LayerRef("123456789012", "eu-central-1", "my-layer")
    assert layers_rules.layer(CTX, "my-layer", "a") == expected
    assert layers_rules.layer(CTX, f"{BASE}:my-layer", "a") == expected
    assert layers_rules.layer_version(CTX, f"{BASE}:my-layer:12") == (expected, 12)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("no spaces", "ValidationException", "1 validation error detected: Value 'no spaces' at 'layerName'"),
        (f"{BASE}:l:1", "ValidationException", "1 validation error detected: Value"),
        ("x" * 141, "ValidationException", "1 validation error detected: Value"),
        (
            "arn:aws:lambda:us-east-1:123456789012:layer:l",
            "ResourceNotFoundException",
            "Layers from 'us-east-1' are not reachable in this region ('eu-central-1')",
        ),
        (
            "arn:aws:lambda:eu-central-1:999999999999:layer:l",
            "AccessDeniedException",
            (
                "User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:X on resource: "
                "arn:aws:lambda:eu-central-1:999999999999:layer:l because no resource-based policy allows the lambda:X "
                "action"
            ),
        ),
    ],
)
def test_a_name_that_leads_nowhere(text: str, code: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        layers_rules.layer(CTX, text, "lambda:X")
    assert caught.value.code == code
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (f"{BASE}:l:0", "Layer Version Cannot be less than 1"),
        (f"{BASE}:l", f"Invalid layer version ARN: {BASE}:l"),
        (
            "arn:aws:lambda:::awslayer:AmazonLinux1703",
            "The layer arn:aws:lambda:::awslayer:AmazonLinux1703 is not supported by this version of Functory.",
        ),
    ],
)
def test_an_arn_of_no_layer_version(arn: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        layers_rules.layer_version(CTX, arn)
    assert (caught.value.code, caught.value.message) == ("InvalidParameterValueException", message)


@pytest.mark.parametrize(
    ("arns", "message"),
    [
        ([f"{BASE}:l{number}:1" for number in range(6)], "Cannot reference more than 5 layers."),
        (
            ["arn:aws:lambda:us-east-1:123456789012:layer:l:1"],
            "Layers are not in the same region as the function. Layers are expected to be in region eu-central-1.",
        ),
        (
            [f"{BASE}:l:1", f"{BASE}:m:1", f"{BASE}:l:2"],
            (
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{BASE}:l:2 and {BASE}:l:1 are versions of the same layer."
            ),
        ),
    ],
)
def test_a_list_no_function_may_have(arns: list[str], message: str) -> None:
    with pytest.raises(AwsError) as caught:
        layers_rules.check_list(arns, "eu-central-1")
    assert (caught.value.code, caught.value.message) == ("InvalidParameterValueException", message)


def test_five_layers_keep_their_order() -> None:
    arns = [f"{BASE}:{name}:{number}" for number, name in enumerate("dacbe", 1)]
    assert [f"{ref.arn}:{number}" for ref, number in layers_rules.check_list(arns, "eu-central-1")] == arns


def test_layers_and_code_have_one_limit_together() -> None:
    layers_rules.check_sizes([use(262_144_000 - 10)], 10)
    layers_rules.check_sizes([], 262_144_001)
    with pytest.raises(AwsError) as caught:
        layers_rules.check_sizes([use(262_144_000 - 10), use(1)], 10)
    assert caught.value.message == (
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. "
        "The actual size is 262144001 bytes."
    )
    with pytest.raises(AwsError) as caught:
        layers_rules.check_sizes([use(262_144_000), use(1)], 0)
    assert caught.value.message == "Layers consume more than the available size of 262144000 bytes"
