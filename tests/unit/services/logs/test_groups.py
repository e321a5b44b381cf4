from __future__ import annotations

import pytest

from tests.support.logs_service import NOW_MS, Logs

ARN = "arn:aws:logs:eu-central-1:111122223333:log-group:"


def test_a_new_group_is_described_with_both_arns() -> None:
    logs = Logs()
    logs.group("/aws/lambda/f")
    assert logs.call("DescribeLogGroups") == {
        "logGroups": [
            {
                "logGroupName": "/aws/lambda/f",
                "creationTime": NOW_MS,
                "metricFilterCount": 0,
                "arn": f"{ARN}/aws/lambda/f:*",
                "logGroupArn": f"{ARN}/aws/lambda/f",
                "storedBytes": 0,
                "logGroupClass": "STANDARD",
                "deletionProtectionEnabled": False,
            }
        ]
    }


def test_creating_a_group_twice_is_refused() -> None:
    logs = Logs()
    logs.group("g")
    expected = ("ResourceAlreadyExistsException", "The specified log group already exists")
    assert logs.refused("CreateLogGroup", logGroupName="g") == expected


@pytest.mark.parametrize(
    "params",
    [
        {"logGroupName": "aws/mine"},
        {"logGroupName": "g", "kmsKeyId": "arn:aws:kms:eu-central-1:111122223333:key/1"},
        {"logGroupName": "g", "logGroupClass": "INFREQUENT_ACCESS"},
        {"logGroupName": "g", "tags": {"aws:mine": "x"}},
    ],
)
def test_what_cannot_be_honoured_is_refused_and_makes_no_group(params: dict[str, object]) -> None:
    logs = Logs()
    assert logs.refused("CreateLogGroup", **params)[0] == "InvalidParameterException"
    assert logs.call("DescribeLogGroups")["logGroups"] == []


def test_groups_belong_to_one_account_and_region() -> None:
    logs = Logs()
    logs.group("g")
    logs.call("CreateLogGroup", logGroupName="g", account="999999999999")
    logs.call("CreateLogGroup", logGroupName="g", region="us-east-1")
    logs.call("DeleteLogGroup", logGroupName="g")
    assert logs.call("DescribeLogGroups")["logGroups"] == []
    assert len(logs.call("DescribeLogGroups", account="999999999999")["logGroups"]) == 1
    assert len(logs.call("DescribeLogGroups", region="us-east-1")["logGroups"]) == 1


def test_a_deleted_group_takes_its_events_along() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", (0, "old"))
    logs.append("s", (0, "printed"))
    logs.call("DeleteLogGroup", logGroupName="g")
    assert logs.refused("DeleteLogGroup", logGroupName="g") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
    logs.group("g", "s")
    assert logs.get("s") == []
    assert logs.filter() == []
    logs.put("s", (0, "new"))
    logs.maintain()
    assert logs.get("s") == ["new"]


def test_a_protected_group_and_its_streams_cannot_be_deleted() -> None:
    logs = Logs()
    logs.group("g", "s", deletionProtectionEnabled=True)
    assert logs.refused("DeleteLogGroup", logGroupName="g")[0] == "ValidationException"
    assert logs.refused("DeleteLogStream", logGroupName="g", logStreamName="s")[0] == "ValidationException"
    logs.call("PutLogGroupDeletionProtection", logGroupIdentifier=f"{ARN}g", deletionProtectionEnabled=False)
    logs.call("DeleteLogGroup", logGroupName="g")


def test_groups_come_sorted_by_their_bytes_in_pages() -> None:
    logs = Logs()
    names = ["b", "B", "a", "/x", "a1", "_"]
    for name in names:
        logs.group(name)
    found, token = [], {}
    while True:
        page = logs.call("DescribeLogGroups", limit=2, **token)
        found += [group["logGroupName"] for group in page["logGroups"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert found == sorted(names)


def test_groups_are_found_by_prefix_pattern_and_identifier() -> None:
    logs = Logs()
    for name in ("app/Data", "app/data", "other_Data", "app%"):
        logs.group(name)

    def names(operation: str = "DescribeLogGroups", **params: object) -> list[str]:
        return [group["logGroupName"] for group in logs.call(operation, **params)["logGroups"]]

    assert names(logGroupNamePrefix="app/") == ["app/Data", "app/data"]
    assert names(logGroupNamePattern="Data") == ["app/Data", "other_Data"]
    assert names(logGroupIdentifiers=["app/data", f"{ARN}other_Data", "absent"]) == ["app/data", "other_Data"]
    assert names(logGroupClass="INFREQUENT_ACCESS") == []
    assert names("ListLogGroups", logGroupNamePattern="^app/|_Dat") == ["app/Data", "app/data", "other_Data"]
    assert names("ListLogGroups", logGroupNamePattern="^Data") == []


def test_contradicting_filters_are_refused() -> None:
    logs = Logs()
    for params in (
        {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"},
        {"logGroupIdentifiers": ["a"], "logGroupNamePrefix": "b"},
        {"nextToken": "no token"},
    ):
        assert logs.refused("DescribeLogGroups", **params)[0] == "InvalidParameterException"
    assert logs.refused("ListLogGroups", fieldIndexNames=["x"])[0] == "InvalidParameterException"


def test_stored_bytes_count_utf8_and_26_for_every_event() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", (0, "äb"), (1, "c"))
    logs.append("t", (0, "dd"))
    assert logs.call("DescribeLogGroups")["logGroups"][0]["storedBytes"] == 3 + 1 + 2 + 3 * 26
    logs.call("DeleteLogStream", logGroupName="g", logStreamName="s")
    logs.maintain()
    assert logs.call("DescribeLogGroups")["logGroups"][0]["storedBytes"] == 2 + 26
