from __future__ import annotations

from functory.services.logs.rules import RETENTION_DAYS
from tests.support.logs_service import DAY_MS, Logs


def _retention(logs: Logs) -> int | None:
    retention: int | None = logs.call("DescribeLogGroups")["logGroups"][0].get("retentionInDays")
    return retention


def test_every_value_of_aws_is_accepted_and_shown() -> None:
    logs = Logs()
    logs.group("g")
    for days in RETENTION_DAYS:
        logs.call("PutRetentionPolicy", logGroupName="g", retentionInDays=days)
        assert _retention(logs) == days
    logs.call("DeleteRetentionPolicy", logGroupName="g")
    assert _retention(logs) is None


def test_other_values_are_refused_with_the_list() -> None:
    logs = Logs()
    logs.group("g")
    code, text = logs.refused("PutRetentionPolicy", logGroupName="g", retentionInDays=730)
    assert code == "InvalidParameterException"
    assert text.startswith("Invalid retention value. Valid values are: [1, 3, 5, 7, 14, 30,")


def test_unknown_groups_are_refused() -> None:
    logs = Logs()
    for operation, more in (
        ("PutRetentionPolicy", {"retentionInDays": 1}),
        ("DeleteRetentionPolicy", {}),
    ):
        assert logs.refused(operation, logGroupName="g", **more)[0] == "ResourceNotFoundException"
    code, _ = logs.refused("PutLogGroupDeletionProtection", logGroupIdentifier="g", deletionProtectionEnabled=True)
    assert code == "ResourceNotFoundException"


def test_a_shorter_retention_removes_events_and_a_longer_one_cannot_bring_them_back() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", (-5 * DAY_MS, "a"))
    logs.put("s", (-2 * DAY_MS, "b"))
    logs.call("PutRetentionPolicy", logGroupName="g", retentionInDays=3)
    logs.maintain()
    logs.call("DeleteRetentionPolicy", logGroupName="g")
    assert logs.get("s") == ["b"]
    (group,) = logs.call("DescribeLogGroups")["logGroups"]
    assert group["storedBytes"] == 27
    (stream,) = logs.call("DescribeLogStreams", logGroupName="g")["logStreams"]
    assert stream["firstEventTimestamp"] == stream["lastEventTimestamp"]
