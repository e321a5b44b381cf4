"""Every operation: what botocore serialises arrives as the same parameters."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws import model
from functory.aws.codec import parse_request
from tests.codec.botocore_client import WIRES, call, operations
from tests.support.shape_values import Extent, ShapeValues, pruned, seed_of

BOTH_UNDER_ONE_NAME = "PutBucketNotification"  # deprecated; its members Event and Events are the same element


@pytest.mark.parametrize("extent", ["minimal", "full", "some"])
@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_parameters_of_every_operation_arrive_unchanged(name: str, protocol: str | None, extent: Extent) -> None:
    service = model.service(name)
    wrong = {}
    for operation in operations(service):
        if operation.input_shape is None or operation.has_event_stream_input:
            continue
        wire = protocol or service.protocol
        values = ShapeValues(random.Random(seed_of(name, operation.name, extent)), extent)
        sent = values.structure(operation.input_shape)
        request, labels = call(operation, wire, sent)
        received = parse_request(operation, wire, request, labels)
        payload = operation.input_shape.serialization.get("payload")
        if payload is not None and operation.input_shape.members[payload].serialization.get("streaming"):
            sent.setdefault(payload, b"")
        if pruned(received) != pruned(sent) and operation.name != BOTH_UNDER_ONE_NAME:
            wrong[operation.name] = (sent, received)
    assert wrong == {}


SELECTION = [
    ("lambda", "CreateFunction"),
    ("lambda", "CreateEventSourceMapping"),
    ("logs", "PutLogEvents"),
    ("dynamodb", "TransactWriteItems"),
    ("sqs", "SendMessageBatch"),
    ("sts", "AssumeRole"),
    ("iam", "CreateRole"),
    ("sns", "PublishBatch"),
    ("s3", "PutBucketLifecycleConfiguration"),
    ("s3", "PutObject"),
    ("apigateway", "ImportRestApi"),
    ("ec2", "RunInstances"),
    ("cloudwatch", "PutMetricData"),
]


@settings(max_examples=60, deadline=None)
@given(which=st.sampled_from(SELECTION), seed=st.integers(0, 2**32), extent=st.sampled_from(["minimal", "full", "some"]))
def test_any_parameters_arrive_unchanged(which: tuple[str, str], seed: int, extent: Extent) -> None:
    operation = model.operation(*which)
    wire = operation.service_model.protocol
    sent = ShapeValues(random.Random(seed), extent).structure(operation.input_shape)
    request, labels = call(operation, wire, sent)
    received = parse_request(operation, wire, request, labels)
    if which == ("s3", "PutObject"):
        sent.setdefault("Body", b"")
    assert pruned(received) == pruned(sent)
