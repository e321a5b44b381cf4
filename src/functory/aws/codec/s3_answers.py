"""What S3 does its own way in answers: names of root elements, and GetBucketLocation.

botocore's model has no root names of results (its parser does not look at them); stricter SDKs do. They are in S3's API
reference, operation by operation.
"""

from __future__ import annotations

import base64

from functory.aws.codec import xml_write
from functory.aws.codec.formats import S3_NAMESPACE

ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListParts": "ListPartsResult",
}


def host_id(request_id: str) -> str:
    """S3's second request id, which SDKs only print: here the first one in another spelling."""
    return base64.b64encode(request_id.encode("ascii", "replace") * 2).decode("ascii")


def bucket_location(region: str | None) -> bytes:
    """The one answer whose member is the root itself; empty for us-east-1."""
    text = xml_write.escape(region or "")
    tag = "LocationConstraint"
    return f'{xml_write.DECLARATION}<{tag} xmlns="{S3_NAMESPACE}">{text}</{tag}>'.encode()
