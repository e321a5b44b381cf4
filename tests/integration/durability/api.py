"""A small client of a node: one request, one answer, never a second try.

AWS's SDKs repeat what got no answer; here every answer that does not come must be seen, because it leaves a doubt.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from dataclasses import dataclass
from typing import Any

FUNCTIONS = "/2015-03-31/functions"
TIMEOUT_S = 30.0


class UnansweredError(Exception):
    """No answer came: the operation may have happened or not."""


class RefusedError(Exception):
    """The node answered with an error."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{status} {code}: {text}")
        self.status = status
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body) if self.body else {}


class Api:
    """One connection to a node; used by one thread."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One exchange.

        Raises:
            UnansweredError: the connection ended first.
            RefusedError: the status says an error.
        """
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            answer = Answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise UnansweredError(f"{method} {path}: {error!r}") from error
        if answer.status >= 300:
            raise _refused(answer, response.headers.get("x-amzn-errortype", ""))
        return answer

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """An operation of Lambda."""
        return self.request(method, path, None if body is None else json.dumps(body).encode()).value

    def logs(self, operation: str, **params: Any) -> Any:
        """An operation of CloudWatch Logs."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Logs_20140328.{operation}"}
        return self.request("POST", "/", json.dumps(params).encode(), headers).value

    def send_event(self, function: str, payload: Any) -> None:
        """Invoke asynchronously; returns when the node has taken responsibility."""
        headers = {"X-Amz-Invocation-Type": "Event"}
        answer = self.request("POST", f"{FUNCTIONS}/{function}/invocations", json.dumps(payload).encode(), headers)
        assert answer.status == 202

    def invoke(self, function: str, payload: Any, qualifier: str = "$LATEST") -> Any:
        query = urllib.parse.urlencode({"Qualifier": qualifier})
        return self.call("POST", f"{FUNCTIONS}/{function}/invocations?{query}", payload)


def _refused(answer: Answer, code: str) -> RefusedError:
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = {}
    code = code or str(value.get("__type", ""))
    return RefusedError(answer.status, code.partition(":")[0], str(value.get("Message", value.get("message", ""))))
