"""The mixed load: clients that change functions of their own, write logs and send events, and remember every answer."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.integration.durability.api import FUNCTIONS, Api, RefusedError, UnansweredError
from tests.integration.durability.histories import Function, History, Version
from tests.integration.durability.node_process import wait_until

ROLE = "arn:aws:iam::000000000000:role/durability"
COLLECTOR = "collector"
LOG_GROUP = "/durability"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SETTLE_S = 30.0

CODE = """\
def handler(event, context):
    return {marker!r}
"""

COLLECT = """\
import os

def handler(event, context):
    line = (event["id"] + "\\n").encode()
    file = os.open(os.environ["DELIVERED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        assert os.write(file, line) == len(line)
    finally:
        os.close(file)
"""


def package(code: str, padding: bytes = b"") -> bytes:
    """A zip; the same code gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), code)
        archive.writestr(zipfile.ZipInfo("padding"), padding)
    return buffer.getvalue()


def sha256_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def creation(name: str, runtime: str, content: bytes, **more: Any) -> dict[str, Any]:
    code = {"ZipFile": base64.b64encode(content).decode()}
    return {"FunctionName": name, "Runtime": runtime, "Role": ROLE, "Handler": "app.handler", "Code": code, **more}


def wait_until_settled(api: Api, name: str, qualifier: str = "$LATEST") -> None:
    """Wait until a version can run."""
    shown: dict[str, Any] = {}

    def is_settled() -> bool:
        shown.update(api.call("GET", f"{FUNCTIONS}/{name}/configuration?Qualifier={qualifier}"))
        assert "Failed" not in {shown["State"], shown.get("LastUpdateStatus")}, shown
        return shown["State"] == "Active" and shown.get("LastUpdateStatus", "Successful") == "Successful"

    wait_until(is_settled, f"{name}:{qualifier} is Active", SETTLE_S)


@dataclass
class Events:
    """Asynchronous invocations of one client."""

    sent: int = 0
    acknowledged: set[str] = field(default_factory=set)


class Client:
    """One client and the objects that are its own.

    Attributes:
        function: history of its present function; the state None: there is none.
        messages: history of its present log stream.
        refused: answers that the load does not expect.
        done: acknowledged operations by name.
    """

    def __init__(self, number: int, seed: int, runtime: str) -> None:
        self.number = number
        self.function = History(None)
        self.messages = History(())
        self.full_streams: dict[str, tuple[str, ...]] = {}
        self.events = Events()
        self.refused: list[RefusedError] = []
        self.done: Counter[str] = Counter()
        self.markers: dict[str, str] = {}  # code hash -> what that code returns
        self.stream = ""
        self._runtime = runtime
        self._chance = random.Random(f"{seed}/{number}")
        self._serial = 0

    def _next(self, kind: str) -> str:
        self._serial += 1
        return f"{kind}-{self.number}-{self._serial}"

    def work(self, url: str, ending: threading.Event) -> None:
        """Operate until the node is gone or the end is near."""
        with Api(url) as api:
            try:
                self._new_stream(api)
                while not ending.is_set():
                    self._step(api)
            except UnansweredError:
                return

    def _step(self, api: Api) -> None:
        kinds: list[tuple[Callable[[Api], None], int]] = [(self._send_event, 5), (self._put_logs, 3)]
        if self.function.known is None:
            kinds += [(self._create, 12)]
        else:
            kinds += [(self._update_code, 3), (self._update_configuration, 3), (self._publish, 3), (self._tag, 2)]
            kinds += [(self._create_alias, 2), (self._update_alias, 2), (self._delete_alias, 1), (self._delete, 1)]
        (operation,) = self._chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        operation(api)

    def _try(self, history: History, then: Any, name: str, call: Callable[[], Any]) -> None:
        """Make a call that leads to the state ``then`` and remember how it ended."""
        history.doubt, history.in_doubt = then, True
        try:
            call()
        except RefusedError as error:
            self.refused.append(error)
            if error.status >= 500:  # whether it happened is not said
                raise UnansweredError(str(error)) from error
            history.in_doubt = False
            return
        history.known, history.in_doubt = then, False
        self.done[name] += 1

    def _package(self) -> tuple[bytes, str]:
        marker = self._next("code")
        content = package(CODE.format(marker=marker), self._chance.randbytes(self._chance.choice([0, 3000, 200_000])))
        self.markers[sha256_of(content)] = marker
        return content, sha256_of(content)

    def _create(self, api: Api) -> None:
        name, description = self._next("function"), self._next("made")
        content, sha256 = self._package()
        first = Function(name, Version(description, sha256), tags={"made": description})
        body = creation(name, self._runtime, content, Description=description, Tags={"made": description})
        if self._chance.random() < 0.3:
            first, body = first.published(), {**body, "Publish": True}
        self._try(self.function, first, "CreateFunction", lambda: api.call("POST", FUNCTIONS, body))

    def _change(self, api: Api, then: Function, name: str, method: str, path: str, body: Any = None) -> None:
        self._try(self.function, then, name, lambda: api.call(method, f"{FUNCTIONS}/{then.name}{path}", body))

    def _update_code(self, api: Api) -> None:
        known: Function = self.function.known
        wait_until_settled(api, known.name)
        content, sha256 = self._package()
        then = replace(known, latest=replace(known.latest, code_sha256=sha256))
        body: dict[str, Any] = {"ZipFile": base64.b64encode(content).decode()}
        if self._chance.random() < 0.3:
            then, body = then.published(), {**body, "Publish": True}
        self._change(api, then, "UpdateFunctionCode", "PUT", "/code", body)

    def _update_configuration(self, api: Api) -> None:
        known: Function = self.function.known
        wait_until_settled(api, known.name)
        description = self._next("changed")
        then = replace(known, latest=replace(known.latest, description=description))
        body = {"Description": description, "MemorySize": self._chance.choice([128, 256])}
        self._change(api, then, "UpdateFunctionConfiguration", "PUT", "/configuration", body)

    def _publish(self, api: Api) -> None:
        known: Function = self.function.known
        if len(known.versions) >= 40:
            return
        wait_until_settled(api, known.name)
        self._change(api, known.published(), "PublishVersion", "POST", "/versions", {})

    def _create_alias(self, api: Api) -> None:
        known: Function = self.function.known
        if known.versions and len(known.aliases) < 10:
            alias, version = self._next("alias"), self._chance.choice(sorted(known.versions))
            then = replace(known, aliases={**known.aliases, alias: version})
            self._change(api, then, "CreateAlias", "POST", "/aliases", {"Name": alias, "FunctionVersion": version})

    def _update_alias(self, api: Api) -> None:
        known: Function = self.function.known
        if known.aliases:
            alias, version = self._chance.choice(sorted(known.aliases)), self._chance.choice(sorted(known.versions))
            then = replace(known, aliases={**known.aliases, alias: version})
            self._change(api, then, "UpdateAlias", "PUT", f"/aliases/{alias}", {"FunctionVersion": version})

    def _delete_alias(self, api: Api) -> None:
        known: Function = self.function.known
        if known.aliases:
            alias = self._chance.choice(sorted(known.aliases))
            self._change(api, known.without_alias(alias), "DeleteAlias", "DELETE", f"/aliases/{alias}")

    def _tag(self, api: Api) -> None:
        known: Function = self.function.known
        tags = {f"tag{self._chance.randrange(5)}": self._next("value")}
        then = replace(known, tags={**known.tags, **tags})
        path = f"/2017-03-31/tags/{ARN}{known.name}"
        self._try(self.function, then, "TagResource", lambda: api.call("POST", path, {"Tags": tags}))

    def _delete(self, api: Api) -> None:
        path = f"{FUNCTIONS}/{self.function.known.name}"
        self._try(self.function, None, "DeleteFunction", lambda: api.call("DELETE", path))

    def _new_stream(self, api: Api) -> None:
        if self.stream:
            self.full_streams[self.stream] = self.messages.known
        self.stream, self.messages = "", History(())
        name = self._next("stream")
        api.logs("CreateLogStream", logGroupName=LOG_GROUP, logStreamName=name)
        self.stream = name
        self.done["CreateLogStream"] += 1

    def _put_logs(self, api: Api) -> None:
        messages = tuple(self._next("line") for _ in range(self._chance.randrange(1, 6)))
        now = int(time.time() * 1000)
        batch = [{"timestamp": now, "message": message} for message in messages]
        self._try(
            self.messages,
            self.messages.known + messages,
            "PutLogEvents",
            lambda: api.logs("PutLogEvents", logGroupName=LOG_GROUP, logStreamName=self.stream, logEvents=batch),
        )

    def _send_event(self, api: Api) -> None:
        event = self._next("event")
        self.events.sent += 1
        try:
            api.send_event(COLLECTOR, {"id": event})
        except RefusedError as error:
            self.refused.append(error)
            raise UnansweredError(str(error)) from error
        self.events.acknowledged.add(event)
        self.done["Invoke Event"] += 1


def delivered_to(folder: Path) -> Path:
    """The file in which the collector notes what it was given."""
    return folder / "delivered"


def delivered(folder: Path) -> set[str]:
    """The ids of events that reached the collector."""
    return set(delivered_to(folder).read_text().split())


class Load:
    """All clients at once, as long as the block lasts.

    Raises:
        ExceptionGroup: on leaving, what clients did not expect.
    """

    def __init__(self, clients: list[Client], url: str) -> None:
        self._clients = clients
        self._url = url
        self._ending = threading.Event()
        self._faults: list[Exception] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._run, args=(client,)) for client in self._clients]
        for thread in self._threads:
            thread.start()
        return self

    def _run(self, client: Client) -> None:
        try:
            client.work(self._url, self._ending)
        except (AssertionError, RefusedError, ValueError, KeyError) as error:
            self._faults.append(error)

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        if self._faults:
            raise ExceptionGroup("the load met what it did not expect", self._faults)
