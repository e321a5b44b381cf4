"""botocore's service models, loaded when first asked for and kept.

botocore is the reference for every operation, shape, error and constraint; nothing is copied out of it. Its JSON is read
straight from the package (no session, no client), so a node pays only for the services it is asked about.
"""

from __future__ import annotations

from functools import cache

import botocore.exceptions
import botocore.loaders
import botocore.model

ServiceModel = botocore.model.ServiceModel
OperationModel = botocore.model.OperationModel
Shape = botocore.model.Shape


@cache
def _loader() -> botocore.loaders.Loader:
    return botocore.loaders.Loader(include_default_search_paths=True)


@cache
def service(name: str) -> ServiceModel:
    """The model of a service by botocore's name (``lambda``, ``logs``, ``stepfunctions`` …).

    Raises:
        KeyError: botocore has no such service.
    """
    try:
        description = _loader().load_service_model(name, "service-2")
    except botocore.exceptions.UnknownServiceError:
        raise KeyError(name) from None
    return ServiceModel(description, service_name=name)


@cache
def operation(service_name: str, operation_name: str) -> OperationModel:
    """One operation's model.

    Raises:
        KeyError: botocore has no such service or operation.
    """
    model = service(service_name)
    try:
        return model.operation_model(operation_name)
    except botocore.model.OperationNotFoundError:
        raise KeyError(operation_name) from None
