from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import World, run

NOW_MS = 1_800_000_000_000


def event(number: int, age_ms: int) -> dict[str, Any]:
    return {"eventId": f"e{number}", "timestamp": NOW_MS - age_ms, "message": f"line {number}\n"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.logs.groups["/aws/lambda/hello"] = [event(1, 600_000), event(2, 1500)]
    return world


def test_events_are_printed_with_their_time(world: World) -> None:
    assert run(world, "logs", "hello").stdout == "2027-01-15T07:50:00.000Z line 1\n2027-01-15T07:59:58.500Z line 2\n"


def test_since_limits_how_far_back(world: World) -> None:
    assert run(world, "logs", "hello", "--since", "5m").stdout == "2027-01-15T07:59:58.500Z line 2\n"
    assert world.logs.asked[0]["startTime"] == NOW_MS - 300_000


@pytest.mark.parametrize("span", ["5", "m", "5 m", "-5m", "5y", ""])
def test_what_is_no_span_is_refused(span: str, world: World) -> None:
    assert run(world, "logs", "hello", "--since", span).exit_code == 2


def test_json_is_one_object_per_line(world: World) -> None:
    printed = [json.loads(line) for line in run(world, "logs", "hello", "--json").stdout.splitlines()]
    assert printed == [event(1, 600_000), event(2, 1500)]


def test_a_function_with_a_group_of_its_own_choice_is_read_there(world: World) -> None:
    world.logs.groups["/mine"] = [event(3, 0)]
    world.lambda_.functions["hello"] = {"LastUpdateStatus": "Successful", "LoggingConfig": {"LogGroup": "/mine"}}
    assert "line 3" in run(world, "logs", "hello").stdout


def test_a_function_that_never_ran_has_an_empty_log(world: World) -> None:
    result = run(world, "logs", "nobody")
    assert result.exit_code == 0
    assert result.stdout == ""


def test_following_prints_each_event_once_even_when_it_comes_late(world: World) -> None:
    group = world.logs.groups["/aws/lambda/hello"]
    arrivals = [[event(4, 100)], [event(3, 2000)], [], []]

    def wait() -> None:
        if not arrivals:
            raise KeyboardInterrupt
        group.extend(arrivals.pop(0))

    world.on_wait = wait
    result = run(world, "logs", "hello", "-f", "--since", "1m")
    assert result.exit_code == 130
    assert [line.split()[-1] for line in result.stdout.splitlines()] == ["2", "4", "3"]
