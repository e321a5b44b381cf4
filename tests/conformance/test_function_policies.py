from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


def test_permissions_by_statement_and_whole(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("permitted")
    arn = aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    given = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    answer = aws_lambda.add_permission(FunctionName=name, SourceArn="arn:aws:s3:::bucket", **given)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    added = json.loads(answer["Statement"])
    shown = aws_lambda.get_policy(FunctionName=name)
    assert json.loads(shown["Policy"])["Statement"] == [added]
    with pytest.raises(aws_lambda.exceptions.ResourceConflictException):
        aws_lambda.add_permission(FunctionName=name, **given)
    with pytest.raises(aws_lambda.exceptions.PreconditionFailedException) as stale:
        aws_lambda.add_permission(
            FunctionName=name, RevisionId="00000000-0000-4000-8000-000000000000", **{**given, "StatementId": "t"}
        )
    assert stale.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**added, "Sid": "whole"}]})
    put = aws_lambda.put_resource_policy(ResourceArn=arn, Policy=document, RevisionId=shown["RevisionId"])
    whole = aws_lambda.get_resource_policy(ResourceArn=arn)
    assert (whole["Policy"], whole["RevisionId"]) == (document, put["RevisionId"])
    assert aws_lambda.remove_permission(FunctionName=name, StatementId="whole")["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException) as gone:
        aws_lambda.get_resource_policy(ResourceArn=arn)
    assert gone.value.response["Error"]["Message"] == "No policy is associated with the given resource."
