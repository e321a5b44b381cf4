"""What calls of the CloudWatch Logs API need to be allowed.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from functory.core.authorization.access import Access, Params, Place, Resources, anything, request_tags, template

_GROUP = template("arn:{partition}:logs:{region}:{account}:log-group:{logGroupName}")


def _group(place: Place, params: Params) -> Iterable[str]:
    """A log group by its name or ARN. AWS: actions on log groups are on the ARN with ``:*`` behind it."""
    given = params.get("logGroupIdentifier") or params.get("resourceArn") or params.get("resourceIdentifier")
    if given and str(given).startswith("arn:"):
        return (f"{str(given).removesuffix(':*')}:*",)
    named = {"logGroupName": params.get("logGroupName") or given or ""}
    return [f"{arn}:*" for arn in _GROUP(place, named)]


def _stream(place: Place, params: Params) -> Iterable[str]:
    """A log stream."""
    groups = [group.removesuffix(":*") for group in _group(place, params)]
    return [f"{group}:log-stream:{params.get('logStreamName', '')}" for group in groups]


_LISTED = template("arn:{partition}:logs:{region}:{account}:log-group::log-stream:")
"""AWS: what a list of log groups is on, in its error texts."""


_BY_RESOURCE: tuple[tuple[Resources, tuple[str, ...]], ...] = (
    (
        _group,
        (
            "CreateLogGroup",
            "CreateLogStream",
            "DeleteLogGroup",
            "DeleteMetricFilter",
            "DeleteRetentionPolicy",
            "DeleteSubscriptionFilter",
            "DescribeLogStreams",
            "DescribeMetricFilters",
            "DescribeSubscriptionFilters",
            "FilterLogEvents",
            "ListTagsForResource",
            "ListTagsLogGroup",
            "PutLogGroupDeletionProtection",
            "PutMetricFilter",
            "PutRetentionPolicy",
            "PutSubscriptionFilter",
            "StartQuery",
            "TagLogGroup",
            "TagResource",
            "UntagLogGroup",
            "UntagResource",
        ),
    ),
    (_stream, ("DeleteLogStream", "GetLogEvents", "PutLogEvents")),
    (anything, ("TestMetricFilter",)),
    (_LISTED, ("DescribeLogGroups", "ListLogGroups")),
)

_PLAIN = {
    operation: Access(f"logs:{operation}", resources) for resources, operations in _BY_RESOURCE for operation in operations
}

ACCESS: Mapping[str, Access] = _PLAIN | {
    "CreateLogGroup": replace(_PLAIN["CreateLogGroup"], keys=request_tags("tags")),
    "TagLogGroup": replace(_PLAIN["TagLogGroup"], keys=request_tags("tags")),
    "TagResource": replace(_PLAIN["TagResource"], keys=request_tags("tags")),
    "UntagLogGroup": replace(_PLAIN["UntagLogGroup"], keys=request_tags("tags")),
    "UntagResource": replace(_PLAIN["UntagResource"], keys=request_tags("tagKeys")),
}
"""Operation -> what it needs; an operation that is not here needs its action on everything."""
