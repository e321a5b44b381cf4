from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.aws.validation import validate
from functory.aws.validation.texts import DEPTH_MAX, FINDINGS_MAX, VALUE_CHARS_MAX

FUNCTION: dict[str, Any] = {
    "FunctionName": "my-function",
    "Role": "arn:aws:iam::123456789012:role/my-role",
    "Runtime": "python3.12",
    "Handler": "app.handler",
    "Code": {"ZipFile": b"zip"},
}
LAYER_PATTERN = r"((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}"


def refusal(service: str, operation: str, params: dict[str, Any]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        validate(service, operation, params)
    return caught.value


def message(service: str, operation: str, params: dict[str, Any]) -> str:
    return refusal(service, operation, params).message


def create(**changes: Any) -> str:
    return message("lambda", "CreateFunction", {**FUNCTION, **changes})


def test_good_parameters_pass() -> None:
    validate("lambda", "CreateFunction", FUNCTION)
    validate("lambda", "GetAccountSettings", {})
    validate("cloudwatch", "DisableAlarmActions", {"AlarmNames": ["a"]})


def test_a_missing_member_must_not_be_null() -> None:
    error = refusal("lambda", "CreateFunction", {**FUNCTION, "Role": None})
    assert (error.code, error.status) == ("ValidationException", 400)
    assert error.message == (
        "1 validation error detected: Value null at 'role' failed to satisfy constraint: Member must not be null"
    )


def test_several_findings_stand_in_the_models_order_whatever_the_clients() -> None:
    text = message("lambda", "CreateFunction", {"MemorySize": 1, "Timeout": 0, "Code": {}})
    assert text.startswith("4 validation errors detected: Value null at 'functionName' failed ")
    places = [part.partition(" at '")[2].partition("'")[0] for part in text.split("; ")]
    assert places == ["functionName", "role", "timeout", "memorySize"]


def test_lengths_and_values_are_bounded() -> None:
    assert create(Description="a" * 257).endswith("Member must have length less than or equal to 256")
    assert create(Timeout=0) == (
        "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    )
    assert "Value '[]' at 'architectures'" in create(Architectures=[])
    assert "Member must have length less than or equal to 1" in create(Architectures=["arm64", "x86_64"])


def test_an_empty_name_breaks_length_and_pattern() -> None:
    text = message("logs", "CreateLogGroup", {"logGroupName": ""})
    assert text == (
        "2 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; "
        "Value '' at 'logGroupName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"
    )


def test_a_value_outside_an_enum_is_told_the_values() -> None:
    assert create(PackageType="Tar") == (
        "1 validation error detected: Value 'Tar' at 'packageType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Zip, Image]"
    )


def test_a_broken_scalar_in_a_list_is_reported_at_the_list() -> None:
    assert create(Architectures=["arm32"]) == (
        "1 validation error detected: Value '[arm32]' at 'architectures' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    )
    text = create(Layers=["arn:aws:lambda:eu-west-1:123456789012:layer:no-version"])
    assert text.startswith(
        "1 validation error detected: Value '[arn:aws:lambda:eu-west-1:123456789012:layer:no-version]' at 'layers' "
        "failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 2048, "
        "Member must have length greater than or equal to 1, "
        f"Member must satisfy regular expression pattern: {LAYER_PATTERN}"
    )
    assert text.endswith(", Member must not be null]")


def test_a_null_in_a_list_must_not_be() -> None:
    assert "Value '[null]' at 'architectures'" in create(Architectures=[None])
    text = message("iam", "TagRole", {"RoleName": "r", "Tags": [None]})
    assert text.endswith("Value null at 'tags.1.member' failed to satisfy constraint: Member must not be null")


def test_a_broken_key_or_value_is_reported_at_the_map() -> None:
    text = create(Environment={"Variables": {"1bad": "x"}})
    assert text == (
        "1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: "
        "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, "
        "Member must not be null]"
    )
    text = message("logs", "TagLogGroup", {"logGroupName": "g", "tags": {"k": "v" * 257}})
    assert f"Value '{{k={'v' * 257}}}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [" in text


def test_structures_in_lists_count_from_one() -> None:
    params = {"RoleName": "r", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c"}]}
    assert message("iam", "TagRole", params) == (
        "1 validation error detected: "
        "Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not be null"
    )


def test_structures_in_maps_stand_under_their_key() -> None:
    params = {"RequestItems": {"my-table": {}}}
    assert message("dynamodb", "BatchGetItem", params) == (
        "1 validation error detected: Value null at 'requestItems.my-table.member.keys' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_secret_is_never_shown() -> None:
    params = {"UserName": "u", "Password": "\x00hunter2"}
    text = message("iam", "CreateLoginProfile", params)
    assert "Value at 'password' failed" in text
    assert "hunter2" not in text


def test_a_blob_is_shown_as_java_shows_it() -> None:
    params = {"StreamName": "s", "PartitionKey": "k", "Data": b"x" * (10 * 1024 * 1024 + 1)}
    assert "Value 'java.nio.HeapByteBuffer[pos=0 lim=10485761 cap=10485761]' at 'data' failed" in message(
        "kinesis", "PutRecord", params
    )


def test_a_long_value_is_cut() -> None:
    text = create(Description="x" * 5000)
    assert f"Value '{'x' * VALUE_CHARS_MAX}' at 'description'" in text


def test_findings_are_bounded() -> None:
    params = {"RoleName": "r", "Tags": [{} for _ in range(500)]}
    assert message("iam", "TagRole", params).startswith(f"{FINDINGS_MAX} validation errors detected: ")


def test_an_unknown_runtime_is_lambdas_own_error() -> None:
    error = refusal("lambda", "CreateFunction", {**FUNCTION, "Runtime": "python9"})
    assert error.code == "InvalidParameterValueException"
    assert error.message.startswith(
        "Value python9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs, "
    )
    assert error.message.endswith("] or be a valid ARN")
    assert refusal("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Runtime": "x"}).code == error.code


def test_an_unknown_runtime_comes_after_everything_else() -> None:
    error = refusal("lambda", "CreateFunction", {**FUNCTION, "Runtime": "python9", "Timeout": 0})
    assert (error.code, error.message.count("runtime")) == ("ValidationException", 0)


def test_a_runtime_may_be_an_arn() -> None:
    validate("lambda", "CreateFunction", {**FUNCTION, "Runtime": "arn:aws:lambda:eu-west-1::runtime:abc"})


def test_a_runtime_of_a_layer_is_an_ordinary_enum() -> None:
    params = {"LayerName": "l", "Content": {"ZipFile": b"x"}, "CompatibleRuntimes": ["python9"]}
    error = refusal("lambda", "PublishLayerVersion", params)
    assert error.code == "ValidationException"
    assert (
        "Value '[python9]' at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy constraint: ["
        in error.message
    )


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("lambda", "GetFunction", "ValidationException", 400),
        ("dynamodb", "DeleteTable", "ValidationException", 400),
        ("iam", "GetRole", "ValidationError", 400),
        ("cloudwatch", "DisableAlarmActions", "ValidationError", 400),
        ("sqs", "CreateQueue", "ValidationError", 400),
        ("logs", "CreateLogGroup", "InvalidParameterException", None),
        ("sns", "CreateTopic", "InvalidParameterException", None),
        ("apigateway", "GetRestApi", "BadRequestException", None),
        ("s3", "DeleteBucket", "InvalidArgument", 400),
    ],
)
def test_each_service_has_its_own_code(service: str, operation: str, code: str, status: int | None) -> None:
    error = refusal(service, operation, {})
    assert (error.code, error.status) == (code, status)


def test_recursive_shapes_are_checked_to_a_depth() -> None:
    value: dict[str, Any] = {"S": "x"}
    for _ in range(30):
        value = {"L": [value]}
    validate("dynamodb", "PutItem", {"TableName": "table", "Item": {"a": value}})
    for _ in range(5000):
        value = {"L": [value]}
    text = message("dynamodb", "PutItem", {"TableName": "table", "Item": {"a": value}})
    assert text.endswith(f"Member must have depth less than or equal to {DEPTH_MAX}")


def test_an_operation_nobody_has_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        validate("lambda", "Nonsense", {})


TEXT = st.text(max_size=300)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "FunctionName": TEXT,
            "Runtime": TEXT,
            "Role": TEXT,
            "Timeout": st.integers(),
            "Layers": st.lists(TEXT, max_size=6),
            "Environment": st.fixed_dictionaries({}, optional={"Variables": st.dictionaries(TEXT, TEXT, max_size=3)}),
            "Code": st.fixed_dictionaries({}, optional={"S3Bucket": TEXT, "ZipFile": st.binary(max_size=9)}),
            "Tags": st.dictionaries(TEXT, TEXT, max_size=3),
        },
    )
)
def test_any_parameters_pass_or_are_refused(params: dict[str, Any]) -> None:
    try:
        validate("lambda", "CreateFunction", params)
    except AwsError as error:
        assert "failed to satisfy constraint" in error.message  # noqa: PT017  # either outcome is right


def test_a_service_may_say_in_its_own_words_that_a_pattern_is_broken() -> None:
    error = refusal("iam", "CreateUser", {"UserName": "a b", "Path": "x"})
    assert (error.code, error.status) == ("ValidationError", 400)
    assert error.message.startswith("The specified value for path is invalid. It must begin and end with /")
    both = message("iam", "CreateUser", {"UserName": "b b" * 30})
    assert both.endswith("failed to satisfy constraint: Member must have length less than or equal to 64")
    validate("iam", "CreateUser", {"UserName": "a.b@c", "Path": "/x/y/"})
