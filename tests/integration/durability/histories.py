"""What clients know: acknowledged states, and at most one operation whose answer never came.

**Theory.** One client at a time works on an object, so its history is a sequence. After every acknowledgement the state is
known; when an answer does not come, the state is one of two. A node that comes back must show one of them, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.integration.durability.api import FUNCTIONS, Api, RefusedError


@dataclass(frozen=True)
class Version:
    description: str
    code_sha256: str


@dataclass(frozen=True)
class Function:
    """Everything of a function that the load changes."""

    name: str
    latest: Version
    versions: Mapping[str, Version] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def published(self) -> Function:
        """After PublishVersion: what was published last is not published again."""
        last = max(map(int, self.versions), default=0)
        if last and self.versions[str(last)] == self.latest:
            return self
        return replace(self, versions={**self.versions, str(last + 1): self.latest})

    def without_alias(self, name: str) -> Function:
        return replace(self, aliases={alias: version for alias, version in self.aliases.items() if alias != name})


@dataclass
class History:
    """The acknowledged state of one object, and the one that an unanswered operation would have led to."""

    known: Any
    doubt: Any = None
    in_doubt: bool = False

    def settle(self, seen: Any) -> None:
        """Compare with what a restarted node shows; afterwards that is known.

        Raises:
            AssertionError: it is neither of the possible states.
        """
        possible = [self.known, *([self.doubt] if self.in_doubt else [])]
        assert seen in possible, f"the node shows {seen}, which is none of {possible}"
        self.known, self.doubt, self.in_doubt = seen, None, False


def read_function(api: Api, name: str) -> Function | None:
    """What the node shows of a function."""
    try:
        shown = api.call("GET", f"{FUNCTIONS}/{name}")
    except RefusedError as error:
        if error.code != "ResourceNotFoundException":
            raise
        return None
    versions = api.call("GET", f"{FUNCTIONS}/{name}/versions")
    aliases = api.call("GET", f"{FUNCTIONS}/{name}/aliases")
    assert "NextMarker" not in versions
    return Function(
        name,
        _version(shown["Configuration"]),
        {one["Version"]: _version(one) for one in versions["Versions"] if one["Version"] != "$LATEST"},
        {one["Name"]: one["FunctionVersion"] for one in aliases["Aliases"]},
        shown.get("Tags", {}),
    )


def _version(configuration: Mapping[str, Any]) -> Version:
    return Version(configuration["Description"], configuration["CodeSha256"])


def read_messages(api: Api, group: str, stream: str) -> tuple[str, ...]:
    """Every message of a log stream, in order."""
    messages: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = api.logs("GetLogEvents", logGroupName=group, logStreamName=stream, startFromHead=True, **token)
        messages += [event["message"] for event in page["events"]]
        if not page["events"] or page["nextForwardToken"] == token.get("nextToken"):
            return tuple(messages)
        token = {"nextToken": page["nextForwardToken"]}
