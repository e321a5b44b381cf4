from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.services.lambda_ import rules
from functory.services.lambda_.configuration import runtimes_of_aws
from tests.support.lambda_store import FakeRuntimes


def refusal(work: Any, *args: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        work(*args)
    return caught.value.code, caught.value.message


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("CreateFunction", {"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "VpcConfig"),
    ("CreateFunction", {"VpcConfig": {"Ipv6AllowedForDualStack": True}}, "VpcConfig"),
    ("CreateFunction", {"DeadLetterConfig": {"TargetArn": "arn:aws:sns:r:1:t"}}, "DeadLetterConfig SNS"),
    ("CreateFunction", {"KMSKeyArn": "arn:aws:kms:r:1:key/k"}, "KMSKeyArn"),
    ("CreateFunction", {"Code": {"S3Bucket": "bucket"}}, "Code.S3Bucket"),
    ("CreateFunction", {"Code": {"S3ObjectStorageMode": "REFERENCE"}}, "Code.S3ObjectStorageMode"),
    ("CreateFunction", {"DurableConfig": {}}, "DurableConfig"),
    ("CreateFunction", {"CapacityProviderConfig": {}}, "CapacityProviderConfig"),
    ("CreateFunction", {"AcceleratorConfig": {"AcceleratorMemorySize": 1}}, "AcceleratorConfig"),
    ("CreateFunction", {"PublishTo": "LATEST_PUBLISHED"}, "PublishTo"),
    ("PublishLayerVersion", {"Content": {"S3Bucket": "bucket"}}, "Content.S3Bucket"),
    ("UpdateFunctionCode", {"S3Key": "k"}, "S3Key"),
    ("UpdateFunctionConfiguration", {"RuntimeConfig": {}}, "RuntimeConfig"),
]


@pytest.mark.parametrize(("operation", "params", "named"), REFUSED, ids=[f"{row[0]} {row[2]}" for row in REFUSED])
def test_what_does_not_work_yet_is_refused_by_name(operation: str, params: dict[str, Any], named: str) -> None:
    assert refusal(rules.refuse_unsupported, operation, params) == (
        "InvalidParameterValueException",
        f"{named} is not supported by this version of Functory.",
    )


def test_values_that_ask_for_nothing_are_accepted() -> None:
    rules.refuse_unsupported(
        "CreateFunction",
        {
            "Layers": [],
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False},
            "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:r:1:q"},
            "KMSKeyArn": "arn:aws:kms:eu-central-1:123456789012:alias/aws/lambda",
            "TracingConfig": {"Mode": "PassThrough"},
            "FileSystemConfigs": [],
            "SnapStart": {"ApplyOn": "None"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "mine"},
            "PackageType": "Zip",
            "Code": {"ZipFile": b""},
        },
    )


def test_runtimes_we_know_are_accepted_even_when_aws_retired_them() -> None:
    catalog = FakeRuntimes()
    catalog.known.add("python3.8")
    rules.check_runtime("python3.8", catalog, runtimes_of_aws())
    rules.check_runtime("python3.12", catalog, runtimes_of_aws())


def test_other_runtimes_are_refused_with_the_reason() -> None:
    def text(runtime: str) -> str:
        code, message = refusal(rules.check_runtime, runtime, FakeRuntimes(), runtimes_of_aws())
        assert code == "InvalidParameterValueException"
        return message

    assert text("nodejs12.x") == (
        "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. "
        "We recommend you use a supported runtime while creating or updating functions."
    )
    assert text("java21") == "The runtime java21 is not supported by this version of Functory."
    assert text("cobol").startswith(
        "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs, "
    )
    assert text("cobol").endswith("] or be a valid ARN")


def test_every_retired_runtime_is_one_of_aws() -> None:
    assert set(runtimes_of_aws()) >= rules.RETIRED_RUNTIMES


def test_only_this_machines_architecture_is_accepted() -> None:
    assert rules.architecture(None, "arm64") == "arm64"
    assert rules.architecture(["x86_64"], "x86_64") == "x86_64"
    code, text = refusal(rules.architecture, ["arm64"], "x86_64")
    assert code == "InvalidParameterValueException"
    assert "the machine of this Functory is x86_64" in text


def test_sizes_of_other_compute_types_are_refused() -> None:
    rules.check_sizes(10_240, 900, 10_240)
    assert refusal(rules.check_sizes, 10_241, 3, 512) == (
        "InvalidParameterValueException",
        "'MemorySize' value failed to satisfy constraint: Member must be less than or equal to 10240",
    )
    assert refusal(rules.check_sizes, 128, 901, 512) == (
        "ValidationException",
        (
            "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
            "Member must have value less than or equal to 900"
        ),
    )
    assert refusal(rules.check_sizes, 128, 3, 10_241)[0] == "ValidationException"


def test_reserved_variables_are_refused_in_the_order_given() -> None:
    assert refusal(rules.environment, {"Variables": {"B": "1", "AWS_REGION": "x", "_HANDLER": "y"}}) == (
        "InvalidParameterValueException",
        (
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
            "AWS_REGION, _HANDLER"
        ),
    )


def test_variables_end_at_4_kb_of_json() -> None:
    assert rules.environment({"Variables": {"A1": "x" * (4096 - 9)}}) is not None
    code, text = refusal(rules.environment, {"Variables": {"A1": "x" * (4096 - 8)}})
    assert code == "InvalidParameterValueException"
    assert text == (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        f'exceeded the 4KB limit. String measured: {{"A1":"{"x" * (4096 - 8)}"}}'
    )


def test_an_environment_without_variables_is_none() -> None:
    assert rules.environment(None) is None
    assert rules.environment({}) is None
    assert rules.environment({"Variables": {}}) == {}


def test_runtime_and_handler_are_mandatory() -> None:
    text = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    for runtime, handler in ((None, "h"), ("python3.12", None), ("python3.12", "")):
        assert refusal(rules.check_entry, runtime, handler) == ("InvalidParameterValueException", text)


def test_a_zip_over_50_mb_is_too_large() -> None:
    assert len(rules.check_zip(bytes(52_428_800))) == 52_428_800
    with pytest.raises(AwsError) as caught:
        rules.check_zip(bytes(52_428_801))
    assert (caught.value.code, caught.value.status) == ("RequestEntityTooLargeException", 413)
    assert caught.value.message == "Zipped size must be smaller than 52428800 bytes"


def test_routing_configurations() -> None:
    assert rules.routing(None, "1") == ("", 0.0)
    assert rules.routing({"AdditionalVersionWeights": {}}, "1") == ("", 0.0)
    assert rules.routing({"AdditionalVersionWeights": {"2": 0.5}}, "1") == ("2", 0.5)
    texts = {
        "Number of items in AdditionalVersionWeights cannot be greater than 1": ({"2": 0.1, "3": 0.1}, "1"),
        "Invalid function version 1. Function version 1 is already included in routing configuration.": ({"1": 0.1}, "1"),
        "$LATEST is not supported for an alias pointing to more than 1 version": ({"1": 0.1}, "$LATEST"),
    }
    for text, (weights, version) in texts.items():
        refused = refusal(rules.routing, {"AdditionalVersionWeights": weights}, version)
        assert refused == ("InvalidParameterValueException", text)


@given(st.dictionaries(st.text(max_size=130), st.text(max_size=260), max_size=60))
def test_tags_within_awss_bounds_are_accepted(tags: dict[str, str]) -> None:
    fits = len(tags) <= 50 and all(
        1 <= len(key) <= 128 and len(value) <= 256 and not key.lower().startswith("aws:") for key, value in tags.items()
    )
    try:
        rules.check_tags(tags)
    except AwsError:
        assert not fits
    else:
        assert fits
