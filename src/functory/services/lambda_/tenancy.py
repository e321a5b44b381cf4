"""Tenant isolation: which invocations must say for whom they are, and what a function with tenants cannot have. Pure.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html; the texts of both refusals are not documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.aws.validation import validate
from functory.services.lambda_ import errors
from functory.services.lambda_.records import Config

PER_TENANT = "PER_TENANT"


def asked(params: Mapping[str, Any]) -> str:
    """The isolation that CreateFunction asks for, ``""`` for none."""
    mode: str = (params.get("TenancyConfig") or {}).get("TenantIsolationMode", "")
    return mode


def check_tenant(*, is_tenanted: bool, tenant_id: str) -> None:
    """Refuse an invocation that names no tenant and must, or names one and must not.

    Raises:
        AwsError: it does.
    """
    if tenant_id:
        validate("lambda", "Invoke", {"FunctionName": "f", "TenantId": tenant_id})
    if is_tenanted and not tenant_id:
        raise errors.invalid(
            "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try "
            "again."
        )
    if tenant_id and not is_tenanted:
        raise errors.invalid(
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try "
            "again."
        )


def check_without(config: Config, what: str) -> None:
    """Refuse something that a function with tenants cannot have.

    AWS: function URLs, provisioned concurrency and SnapStart.

    Raises:
        AwsError: the function has tenants.
    """
    if config.tenancy:
        raise errors.invalid(f"{what} is not supported for functions with tenant isolation.")
