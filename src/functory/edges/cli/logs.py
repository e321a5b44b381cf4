"""``logs``: what functions wrote, read back through the CloudWatch Logs API like any other client would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from functory.edges.cli.client import node_options, resolve
from functory.edges.cli.output import to_json
from functory.edges.cli.outside import Outside, pass_outside

FOLLOW_INTERVAL_S = 0.5
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Since(click.ParamType[float]):
    """A span like ``90s``, ``5m``, ``2h``, ``1d`` or ``1w``, in seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d+)([smhdw])", str(value))
        if found is None:
            self.fail(f"{value!r} is no span such as 90s, 5m, 2h, 1d or 1w", param, ctx)
        return float(int(found[1]) * _UNITS[found[2]])


class Follower:
    """Reads a log group again and again and gives every event once.

    Events may arrive late with an earlier timestamp, so each look goes back a little (``overlap_ms``) and leaves out the ids
    it has seen; ids older than that are forgotten.
    """

    overlap_ms = 5000

    def __init__(self, client: Any, group: str, start_ms: int) -> None:
        self._client = client
        self._group = group
        self._from_ms = start_ms
        self._seen: dict[str, int] = {}

    def look(self) -> Iterator[dict[str, Any]]:
        """The events that were not given before, oldest first; nothing while the group does not exist."""
        paginator = self._client.get_paginator("filter_log_events")
        start_ms = self._from_ms
        newest_ms = start_ms
        try:
            for page in paginator.paginate(logGroupName=self._group, startTime=start_ms):
                for event in page.get("events", []):
                    newest_ms = max(newest_ms, event["timestamp"])
                    if event["eventId"] not in self._seen:
                        self._seen[event["eventId"]] = event["timestamp"]
                        yield event
        except self._client.exceptions.ResourceNotFoundException:
            return
        self._from_ms = max(start_ms, newest_ms - self.overlap_ms)
        self._seen = {key: at for key, at in self._seen.items() if at >= self._from_ms}


def _group_of(client: Any, name: str) -> str:
    """The function's log group; Lambda's usual name when the function is gone (its log outlives it)."""
    try:
        configuration = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return f"/aws/lambda/{name}"
    return str(configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{configuration['FunctionName']}")


@click.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes, until Ctrl-C.")
@click.option("--since", "since_s", type=Since(), default="1h", show_default=True, help="How far back: 90s, 5m, 2h, 1d, 1w.")
@node_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead of text.")
@pass_outside
def logs(
    outside: Outside, *, name: str, follow: bool, since_s: float, endpoint: str | None, region: str | None, as_json: bool
) -> None:
    """Print what a function wrote to its log.

    \b
    Examples:
      functory logs hello
      functory logs hello --since 5m -f
      functory logs hello --json | jq -r .message
    """  # noqa: D301
    where = resolve(outside.environ, endpoint, region)
    group = _group_of(outside.client("lambda", where), name)
    follower = Follower(outside.client("logs", where), group, int((outside.epoch_s() - since_s) * 1000))
    while True:
        for event in follower.look():
            click.echo(to_json(event, indent=None) if as_json else _line(event))
        if not follow:
            return
        outside.wait(FOLLOW_INTERVAL_S)


def _line(event: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{event['timestamp'] % 1000:03d}Z {event['message'].rstrip()}"
