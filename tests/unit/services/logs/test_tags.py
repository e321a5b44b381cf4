from __future__ import annotations

from tests.support.logs_service import Logs

ARN = "arn:aws:logs:eu-central-1:111122223333:log-group:g"


def test_both_generations_of_operations_see_the_same_tags() -> None:
    logs = Logs()
    logs.group("g", tags={"a": "1"})
    logs.call("TagResource", resourceArn=ARN, tags={"b": "2", "a": "0"})
    assert logs.call("ListTagsLogGroup", logGroupName="g") == {"tags": {"a": "0", "b": "2"}}
    logs.call("UntagLogGroup", logGroupName="g", tags=["a", "absent"])
    logs.call("TagLogGroup", logGroupName="g", tags={"c": "3"})
    assert logs.call("ListTagsForResource", resourceArn=ARN) == {"tags": {"b": "2", "c": "3"}}
    logs.call("UntagResource", resourceArn=ARN, tagKeys=["b", "c"])
    assert logs.call("ListTagsForResource", resourceArn=ARN) == {"tags": {}}


def test_more_than_fifty_tags_are_refused_and_change_nothing() -> None:
    logs = Logs()
    logs.group("g", tags={"a": "1"})
    many = {f"key{number}": "x" for number in range(50)}
    assert logs.refused("TagResource", resourceArn=ARN, tags=many)[0] == "TooManyTagsException"
    assert logs.call("ListTagsForResource", resourceArn=ARN) == {"tags": {"a": "1"}}


def test_unknown_groups_and_foreign_arns_are_refused() -> None:
    logs = Logs()
    assert logs.refused("ListTagsForResource", resourceArn=ARN)[0] == "ResourceNotFoundException"
    assert logs.refused("ListTagsLogGroup", logGroupName="g")[0] == "ResourceNotFoundException"
    assert logs.refused("TagResource", resourceArn="arn:aws:s3:::b", tags={"a": "1"})[0] == "InvalidParameterException"
