"""What calls of the Lambda API need to be allowed.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from functory.aws.arn import Arn
from functory.core.authorization.access import (
    Access,
    Params,
    Place,
    Resources,
    anything,
    arn,
    arn_key,
    function,
    parameters,
    request_tags,
    template,
    together,
)

_LAYER = template("arn:{partition}:lambda:{region}:{account}:layer:{LayerName}")
_MAPPING = template("arn:{partition}:lambda:{region}:{account}:event-source-mapping:{UUID}")
_PROVIDER = template("arn:{partition}:lambda:{region}:{account}:capacity-provider:{CapacityProviderName}")
_ANY_FUNCTION = template("arn:{partition}:lambda:{region}:{account}:function:*")


def _layer(place: Place, params: Params) -> Iterable[str]:
    """A layer, named by its name or its ARN."""
    name = str(params.get("LayerName", ""))
    return (name,) if name.startswith("arn:") else _LAYER(place, params)


def _layer_version(place: Place, params: Params) -> Iterable[str]:
    return [f"{layer}:{params['VersionNumber']}" for layer in _layer(place, params)]


def _provider(place: Place, params: Params) -> Iterable[str]:
    name = str(params.get("CapacityProviderName", ""))
    return (name,) if name.startswith("arn:") else _PROVIDER(place, params)


def _version(place: Place, params: Params) -> Iterable[str]:
    """The version or alias that an ARN names, for policies of resources."""
    return arn("ResourceArn")(place, params)


def _execution(_place: Place, params: Params) -> Iterable[str]:
    text = str(params.get("DurableExecutionArn", ""))
    return (text,) if Arn.parse(text) is not None else ("*",)


_SETTINGS = together(
    request_tags(),
    parameters(
        Layers="lambda:Layer",
        CodeSigningConfigArn="lambda:CodeSigningConfigArn",
        VpcConfig__SubnetIds="lambda:SubnetIds",
        VpcConfig__SecurityGroupIds="lambda:SecurityGroupIds",
    ),
)
_FUNCTION_ARN = arn_key("lambda:FunctionArn", function(qualifier=""))
_URL_AUTH = parameters(AuthType="lambda:FunctionUrlAuthType")
_PERMISSION = parameters(
    Principal="lambda:Principal",
    FunctionUrlAuthType="lambda:FunctionUrlAuthType",
    InvokedViaFunctionUrl="lambda:InvokedViaFunctionUrl",
)


def _own_role(place: Place, params: Params) -> Iterable[str]:
    """The role that is passed; one of another account is refused by the service, in its own words."""
    return [role for role in arn("Role")(place, params) if role.split(":")[4:5] == [place.account_id]]


_PASSED = together(
    lambda _place, _params: {"iam:passedtoservice": ("lambda.amazonaws.com",)},
    arn_key("iam:AssociatedResourceArn", function(qualifier="")),
)
_PASS_ROLE = Access("iam:PassRole", _own_role, _PASSED)
_USE_LAYERS = Access("lambda:GetLayerVersion", arn("Layers"))

_BY_RESOURCE: tuple[tuple[Resources, tuple[str, ...]], ...] = (
    (
        function(),
        (
            "AddPermission",
            "DeleteFunction",
            "DeleteFunctionEventInvokeConfig",
            "DeleteFunctionUrlConfig",
            "DeleteProvisionedConcurrencyConfig",
            "GetFunction",
            "GetFunctionConfiguration",
            "GetFunctionEventInvokeConfig",
            "GetFunctionScalingConfig",
            "GetFunctionUrlConfig",
            "GetPolicy",
            "GetProvisionedConcurrencyConfig",
            "GetRuntimeManagementConfig",
            "PutFunctionEventInvokeConfig",
            "PutFunctionScalingConfig",
            "PutProvisionedConcurrencyConfig",
            "PutRuntimeManagementConfig",
            "RemovePermission",
            "UpdateFunctionEventInvokeConfig",
            "UpdateFunctionUrlConfig",
            "CreateFunctionUrlConfig",
            "ListDurableExecutionsByFunction",
        ),
    ),
    (
        function(qualifier=""),
        (
            "CreateAlias",
            "CreateFunction",
            "DeleteAlias",
            "DeleteFunctionCodeSigningConfig",
            "DeleteFunctionConcurrency",
            "GetAlias",
            "GetFunctionCodeSigningConfig",
            "GetFunctionConcurrency",
            "GetFunctionRecursionConfig",
            "InvokeAsync",
            "ListAliases",
            "ListFunctionEventInvokeConfigs",
            "ListFunctionUrlConfigs",
            "ListProvisionedConcurrencyConfigs",
            "ListVersionsByFunction",
            "PublishVersion",
            "PutFunctionCodeSigningConfig",
            "PutFunctionConcurrency",
            "PutFunctionRecursionConfig",
            "UpdateAlias",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
        ),
    ),
    (_layer, ("PublishLayerVersion",)),
    (
        _layer_version,
        (
            "AddLayerVersionPermission",
            "DeleteLayerVersion",
            "GetLayerVersion",
            "GetLayerVersionPolicy",
            "RemoveLayerVersionPermission",
        ),
    ),
    (_MAPPING, ("DeleteEventSourceMapping", "GetEventSourceMapping", "UpdateEventSourceMapping")),
    (arn("Resource"), ("ListTags", "TagResource", "UntagResource")),
    (_version, ("DeleteResourcePolicy", "GetResourcePolicy", "PutResourcePolicy")),
    (
        arn("CodeSigningConfigArn"),
        ("DeleteCodeSigningConfig", "GetCodeSigningConfig", "ListFunctionsByCodeSigningConfig", "UpdateCodeSigningConfig"),
    ),
    (
        _provider,
        (
            "CreateCapacityProvider",
            "DeleteCapacityProvider",
            "GetCapacityProvider",
            "ListFunctionVersionsByCapacityProvider",
            "UpdateCapacityProvider",
        ),
    ),
    (
        _execution,
        (
            "CheckpointDurableExecution",
            "DeleteDurableExecution",
            "GetDurableExecution",
            "GetDurableExecutionHistory",
            "GetDurableExecutionState",
            "PauseDurableExecution",
            "ResumeDurableExecution",
            "StopDurableExecution",
        ),
    ),
    (
        _ANY_FUNCTION,
        (
            "SendDurableExecutionCallbackFailure",
            "SendDurableExecutionCallbackHeartbeat",
            "SendDurableExecutionCallbackSuccess",
        ),
    ),
    (
        anything,
        (
            "CreateCodeSigningConfig",
            "CreateEventSourceMapping",
            "GetAccountSettings",
            "ListCapacityProviders",
            "ListCodeSigningConfigs",
            "ListEventSourceMappings",
            "ListFunctions",
            "ListLayerVersions",
            "ListLayers",
        ),
    ),
)
_ON_FUNCTIONS = 2
"""How many of `_BY_RESOURCE`'s rows are of functions: such calls may reach into another account that allows them."""

_PLAIN = {
    operation: Access(f"lambda:{operation}", resources, moves=row < _ON_FUNCTIONS)
    for row, (resources, operations) in enumerate(_BY_RESOURCE)
    for operation in operations
}

_INVOKE = Access("lambda:InvokeFunction", function(), moves=True)

ACCESS: Mapping[str, Access] = _PLAIN | {
    "AddPermission": replace(_PLAIN["AddPermission"], keys=_PERMISSION),
    "CreateCapacityProvider": replace(_PLAIN["CreateCapacityProvider"], keys=request_tags()),
    "CreateCodeSigningConfig": replace(_PLAIN["CreateCodeSigningConfig"], keys=request_tags()),
    "CreateEventSourceMapping": replace(_PLAIN["CreateEventSourceMapping"], keys=together(request_tags(), _FUNCTION_ARN)),
    "CreateFunction": replace(_PLAIN["CreateFunction"], keys=_SETTINGS, also=(_PASS_ROLE, _USE_LAYERS)),
    "CreateFunctionUrlConfig": replace(_PLAIN["CreateFunctionUrlConfig"], keys=_URL_AUTH),
    "GetLayerVersionByArn": Access("lambda:GetLayerVersion", arn("Arn")),
    "Invoke": _INVOKE,
    "InvokeAsync": _INVOKE,
    "InvokeWithResponseStream": _INVOKE,
    "TagResource": replace(_PLAIN["TagResource"], keys=request_tags()),
    "UntagResource": replace(_PLAIN["UntagResource"], keys=request_tags("TagKeys")),
    "UpdateFunctionConfiguration": replace(
        _PLAIN["UpdateFunctionConfiguration"], keys=_SETTINGS, also=(_PASS_ROLE, _USE_LAYERS)
    ),
    "UpdateFunctionUrlConfig": replace(_PLAIN["UpdateFunctionUrlConfig"], keys=_URL_AUTH),
}
"""Every operation of the API, those included that are not there yet."""
