"""Event streams: what we write, botocore's stream parser reads; what clients write, we read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import botocore.exceptions
import pytest

from functory.aws import model
from functory.aws.codec import event_frames, parse_request, serialize_response
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest, HttpResponse
from tests.codec.botocore_client import read_answer
from tests.support.shape_values import ShapeValues, pruned, seed_of

STREAMS = [
    ("logs", "StartLiveTail", "responseStream"),
    ("logs", "GetLogObject", "fieldStream"),
    ("lambda", "InvokeWithResponseStream", "EventStream"),
    ("kinesis", "SubscribeToShard", "EventStream"),
    ("s3", "SelectObjectContent", "Payload"),
    ("bedrock-runtime", "ConverseStream", "stream"),
    ("lexv2-runtime", "StartConversation", "responseEventStream"),
]


async def _events(events: list[Mapping[str, Any]], failure: AwsError | None = None) -> AsyncIterator[Mapping[str, Any]]:
    for event in events:
        yield event
    if failure is not None:
        raise failure


def _bytes(response: HttpResponse) -> bytes:
    async def collect() -> bytes:
        assert response.stream is not None
        return b"".join([piece async for piece in response.stream])

    return asyncio.run(collect())


def _answer(service: str, name: str, member: str, events: list[Mapping[str, Any]], failure: AwsError | None = None) -> Any:
    operation = model.operation(service, name)
    values = ShapeValues(random.Random(1), "full", is_answer=True).structure(operation.output_shape)
    wire = operation.service_model.protocol
    response = serialize_response(operation, wire, {**values, member: _events(events, failure)}, "id-1")
    content_type = values.get("ResponseStreamContentType", "application/vnd.amazon.eventstream")  # only Lambda says it
    assert response.header("content-type") == content_type
    parsed = read_answer(operation, wire, response, _bytes(response))
    stream = parsed.pop(member)
    assert pruned(parsed) == pruned(values)
    return stream


@pytest.mark.parametrize(("service", "name", "member"), STREAMS)
def test_every_event_arrives_unchanged(service: str, name: str, member: str) -> None:
    shape = model.operation(service, name).output_shape.members[member]
    drawn = ShapeValues(random.Random(seed_of(service, name)), "full", is_answer=True)
    sent = [{kind: drawn.value(event)} for kind, event in shape.members.items() if not event.metadata.get("exception")]
    received = list(_answer(service, name, member, sent))
    assert [pruned(event) for event in received] == [pruned(event) for event in sent]


@pytest.mark.parametrize(("service", "name", "member"), STREAMS)
def test_modelled_failures_end_the_stream(service: str, name: str, member: str) -> None:
    shape = model.operation(service, name).output_shape.members[member]
    for code in [kind for kind, event in shape.members.items() if event.metadata.get("exception")]:
        stream = _answer(service, name, member, [], AwsError(code, "it broke"))
        with pytest.raises(botocore.exceptions.EventStreamError) as caught:
            list(stream)
        assert caught.value.response["Error"] == {"Code": code, "Message": "it broke"}


@pytest.mark.parametrize(("service", "name", "member"), STREAMS)
def test_other_failures_end_the_stream(service: str, name: str, member: str) -> None:
    stream = _answer(service, name, member, [], AwsError("Unheard", "it broke"))
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        list(stream)
    assert caught.value.response["Error"] == {"Code": "Unheard", "Message": "it broke"}


def _event(kind: str, payload: bytes, **headers: Any) -> bytes:
    given = {":message-type": "event", ":event-type": kind, ":content-type": "application/json", **headers}
    return event_frames.encode(event_frames.Frame(given, payload))


CONVERSATION = [
    {"ConfigurationEvent": {"responseContentType": "text/plain", "clientTimestampMillis": 7}},
    {"TextInputEvent": {"text": "hi"}},
    {"DisconnectionEvent": {}},
]


def _parse_conversation(body: bytes) -> dict[str, Any]:
    request = HttpRequest("POST", "/", body=body)
    return parse_request(model.operation("lexv2-runtime", "StartConversation"), "rest-json", request, {"botId": "b"})


def _conversation() -> list[bytes]:
    return [
        _event("ConfigurationEvent", b'{"responseContentType":"text/plain","clientTimestampMillis":7}'),
        _event("TextInputEvent", b'{"text":"hi"}'),
        _event("DisconnectionEvent", b"{}"),
    ]


def test_events_of_a_request_are_read() -> None:
    parsed = _parse_conversation(b"".join(_conversation()))
    assert parsed == {"botId": "b", "requestEventStream": CONVERSATION}


def test_signed_events_are_unwrapped() -> None:
    signature = {":chunk-signature": b"s" * 32}
    wrapped = [event_frames.encode(event_frames.Frame(signature, frame)) for frame in [*_conversation(), b""]]
    assert _parse_conversation(b"".join(wrapped))["requestEventStream"] == CONVERSATION


@pytest.mark.parametrize(
    "body",
    [
        _conversation()[0][:-1],
        _event("Unheard", b"{}"),
        _event("TextInputEvent", b"{"),
        event_frames.encode(event_frames.Frame({":message-type": "exception"}, b"")),
        event_frames.encode(event_frames.Frame({":chunk-signature": b"s"}, b"not a frame")),
    ],
)
def test_bad_event_streams_are_refused(body: bytes) -> None:
    with pytest.raises(AwsError) as caught:
        _parse_conversation(body)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)
