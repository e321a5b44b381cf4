"""Validators of every operation we mean to offer, and every pattern of every service, against botocore's models."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader

from functory.aws import model
from functory.aws.errors import AwsError
from functory.aws.validation import patterns, validate
from tests.codec.test_routing import SERVICES
from tests.support.routing_values import all_params, minimal_params


@pytest.mark.parametrize("service", SERVICES)
def test_valid_parameters_pass_but_for_patterns_without_an_example(service: str) -> None:
    for operation in model.service(service).operation_names:
        shape = model.operation(service, operation).input_shape
        for params in (minimal_params(shape), all_params(shape)):
            try:
                validate(service, operation, params)
            except AwsError as error:
                found = error.message.split(": ", 1)[1].split("; Value ")
                assert [text for text in found if "regular expression pattern" not in text] == [], operation


@pytest.mark.parametrize("service", SERVICES)
def test_missing_parameters_are_refused_by_every_operation_that_requires_one(service: str) -> None:
    for operation in model.service(service).operation_names:
        shape = model.operation(service, operation).input_shape
        if shape is None or not shape.required_members:
            validate(service, operation, {})
            continue
        with pytest.raises(AwsError) as caught:
            validate(service, operation, {})
        assert caught.value.message.count("Member must not be null") == len(shape.required_members)


def test_every_pattern_of_every_service_compiles_but_one() -> None:
    loader = Loader(include_default_search_paths=True)
    broken = set()
    for service in loader.list_available_services("service-2"):
        for name, shape in loader.load_service_model(service, "service-2")["shapes"].items():
            if "pattern" in shape and patterns.compiled(shape["pattern"]) is None:
                broken.add((service, name))
    assert broken == {("rbin", "RuleArn")}  # a quantifier on a quantifier
