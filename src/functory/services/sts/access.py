"""What calls of the STS API need to be allowed.

Assuming a role is decided by the role's trust policy together with the caller's own policies: the service does that itself.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
"""

from __future__ import annotations

from collections.abc import Mapping

from functory.core.authorization.access import Access, nothing, request_tags, template

ACCESS: Mapping[str, Access] = {
    "AssumeRole": Access("sts:AssumeRole", nothing),
    "AssumeRoleWithWebIdentity": Access("sts:AssumeRoleWithWebIdentity", nothing),
    "DecodeAuthorizationMessage": Access("sts:DecodeAuthorizationMessage"),
    "GetAccessKeyInfo": Access("sts:GetAccessKeyInfo"),
    "GetCallerIdentity": Access("sts:GetCallerIdentity", nothing),  # AWS: needs no permission, and cannot be denied
    "GetFederationToken": Access(
        "sts:GetFederationToken", template("arn:{partition}:sts::{account}:federated-user/{Name}"), request_tags()
    ),
    "GetSessionToken": Access("sts:GetSessionToken", nothing),  # AWS: needs no permission
}
"""Operation -> what it needs."""
