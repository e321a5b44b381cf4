"""What calls of the CloudWatch API need to be allowed.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
Actions on metrics have no resource; PutMetricData can be confined to a namespace.
"""

from __future__ import annotations

from collections.abc import Mapping

from functory.core.authorization.access import Access, anything, parameters

ACCESS: Mapping[str, Access] = {
    "GetMetricData": Access("cloudwatch:GetMetricData", anything),
    "GetMetricStatistics": Access("cloudwatch:GetMetricStatistics", anything),
    "ListMetrics": Access("cloudwatch:ListMetrics", anything),
    "PutMetricData": Access("cloudwatch:PutMetricData", anything, parameters(Namespace="cloudwatch:namespace")),
}
