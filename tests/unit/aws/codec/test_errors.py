import json

import cbor2
import pytest

from functory.aws import model
from functory.aws.codec import serialize_error
from functory.aws.errors import AwsError
from functory.aws.http import HttpResponse


def write(service: str, error: AwsError, protocol: str | None = None, operation: str | None = None) -> HttpResponse:
    described = model.service(service)
    asked = described.operation_model(operation) if operation else None
    return serialize_error(described, protocol or described.protocol, error, "id-1", asked)


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("ResourceNotFoundException", 404, {"Message": "m", "Type": "User"}),
        ("InvalidParameterValueException", 400, {"message": "m", "Type": "User"}),
        ("ServiceException", 500, {"Message": "m", "Type": "Service"}),
        ("ServiceQuotaExceededException", 402, {"Message": "m", "Type": "User"}),
        ("ValidationException", 400, {"message": "m"}),
        ("InternalFailure", 500, {"message": "m"}),
    ],
)
def test_lambda_spells_the_message_as_the_shape_does(code: str, status: int, body: dict[str, str]) -> None:
    response = write("lambda", AwsError(code, "m"))
    assert (response.status, json.loads(response.body)) == (status, body)
    assert response.headers == [
        ("x-amzn-RequestId", "id-1"), ("Content-Type", "application/json"), ("x-amzn-ErrorType", code),
    ]  # fmt: skip


def test_members_go_where_the_model_binds_them() -> None:
    members = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "retryAfterSeconds": "3", "Type": "User"}
    response = write("lambda", AwsError("TooManyRequestsException", "Rate Exceeded.", members=members))
    assert response.status == 429
    assert response.header("retry-after") == "3"
    assert json.loads(response.body) == {
        "message": "Rate Exceeded.", "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User",
    }  # fmt: skip


def test_explicit_status_and_headers_win() -> None:
    response = write("lambda", AwsError("AccessDeniedException", "no", status=403, headers={"X-More": "1"}))
    assert (response.status, response.header("x-more")) == (403, "1")


def test_unknown_members_of_a_modelled_error_are_a_bug() -> None:
    with pytest.raises(KeyError, match="Invented"):
        write("lambda", AwsError("ResourceNotFoundException", "m", members={"Invented": 1}))
    with pytest.raises(KeyError, match="Invented"):
        write("iam", AwsError("NoSuchEntityException", "m", members={"Invented": 1}))


def test_json_says_the_type_in_the_body() -> None:
    response = write("logs", AwsError("ResourceNotFoundException", "m"))
    assert json.loads(response.body) == {"__type": "ResourceNotFoundException", "message": "m"}
    assert response.header("content-type") == "application/x-amz-json-1.1"


def test_query_compatible_services_say_the_old_code_in_a_header() -> None:
    response = write("sqs", AwsError("QueueDoesNotExist", "m"))
    assert response.header("x-amzn-query-error") == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert json.loads(response.body)["__type"] == "QueueDoesNotExist"
    response = write("cloudwatch", AwsError("InternalServiceFault", "m"))
    assert response.header("x-amzn-query-error") == "InternalServiceError;Receiver"
    assert cbor2.loads(response.body) == {"__type": "InternalServiceFault", "Message": "m"}


def test_query_errors_have_the_renamed_code() -> None:
    response = write("iam", AwsError("NoSuchEntityException", "a<b"))
    assert response.status == 404
    assert (
        b"<Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>a&lt;b</Message></Error><RequestId>id-1</RequestId>"
        in response.body
    )


def test_an_error_is_found_by_its_wire_code_too() -> None:
    assert write("iam", AwsError("NoSuchEntity", "m")).body == write("iam", AwsError("NoSuchEntityException", "m")).body


def test_s3_errors_have_no_wrapper_and_may_say_what_they_are_about() -> None:
    response = write("s3", AwsError("NoSuchKey", "m", members={"Key": "a&b"}))
    assert response.status == 404
    assert b"<Error><Code>NoSuchKey</Code><Message>m</Message><Key>a&amp;b</Key><RequestId>id-1</RequestId>" in response.body


@pytest.mark.parametrize(("operation", "status"), [("HeadObject", None), ("GetObject", 304)])
def test_some_errors_have_no_body(operation: str, status: int | None) -> None:
    response = write("s3", AwsError("NoSuchKey", "m", status=status), operation=operation)
    assert (response.body, response.header("content-type")) == (b"", None)


def test_ec2_errors_have_their_own_envelope() -> None:
    body = write("ec2", AwsError("InvalidGroup.NotFound", "m")).body
    assert body.endswith(
        b"<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>m</Message></Error></Errors>"
        b"<RequestID>id-1</RequestID></Response>"
    )


def test_other_rest_xml_services_have_a_wrapper() -> None:
    body = write("route53", AwsError("NoSuchHostedZone", "m")).body
    assert b"<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code>" in body
