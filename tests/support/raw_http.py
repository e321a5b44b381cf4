"""HTTP by hand: requests no client library would send, and half of them."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.node import ACCOUNT, REGION

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """Status, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def authorization(account: str = ACCOUNT, region: str = REGION, service: str = "lambda") -> str:
    """A header that names an account, region and service; nothing checks its signature."""
    scope = f"{account}/20261123/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00"


def send(
    url: str, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, signed: bool = True
) -> Answer:
    """One request with exactly this path, these headers and a signature for `ACCOUNT`."""
    place = urlsplit(url)
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=TIMEOUT_S)
    given = {"Authorization": authorization()} if signed else {}
    try:
        connection.request(method, path, body or None, {**given, **(headers or {})})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


def connect(url: str) -> socket.socket:
    """A connection to send bytes over."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=TIMEOUT_S)
