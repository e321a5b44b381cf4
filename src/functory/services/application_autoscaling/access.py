"""What calls of the Application Auto Scaling API need to be allowed.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from functory.core.authorization.access import Access, anything, arn, parameters, request_tags, template, together

_TARGETS = template("arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*")
_KEYS = parameters(
    ServiceNamespace="application-autoscaling:service-namespace",
    ScalableDimension="application-autoscaling:scalable-dimension",
)
_ON_TARGETS = (
    "DeleteScalingPolicy",
    "DeleteScheduledAction",
    "DeregisterScalableTarget",
    "PutScalingPolicy",
    "PutScheduledAction",
    "RegisterScalableTarget",
)
_ON_ANYTHING = (
    "DescribeScalableTargets",
    "DescribeScalingActivities",
    "DescribeScalingPolicies",
    "DescribeScheduledActions",
)
_ON_ARN = ("ListTagsForResource", "TagResource", "UntagResource")

_PLAIN = {
    operation: Access(f"application-autoscaling:{operation}", resources, keys)
    for resources, keys, operations in (
        (_TARGETS, _KEYS, _ON_TARGETS),
        (anything, _KEYS, _ON_ANYTHING),
        (arn("ResourceARN"), request_tags(), _ON_ARN),
    )
    for operation in operations
}

ACCESS: Mapping[str, Access] = _PLAIN | {
    "RegisterScalableTarget": replace(_PLAIN["RegisterScalableTarget"], keys=together(_KEYS, request_tags())),
    "UntagResource": replace(_PLAIN["UntagResource"], keys=request_tags("TagKeys")),
}
"""Operation -> what it needs."""
