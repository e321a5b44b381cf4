"""What a Python process does around its snapshot: connections are given up, asking is repeated, randomness is new."""

from __future__ import annotations

import importlib.util
import os
import random
import socket
from types import ModuleType
from typing import Any

import pytest

from functory.runtimes.packs import BOOTSTRAPS


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_functory_snapshot", BOOTSTRAPS / "python" / "_functory_snapshot.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    return module


def test_a_connection_reads_as_one_that_was_closed(subject: ModuleType) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as mine:
        theirs, _ = listener.accept()
        with theirs:
            theirs.settimeout(10)
            mine.setblocking(False)
            number = mine.fileno()
            replaced: list[int] = []
            put = subject._put_closed_one
            subject._put_closed_one = lambda fd: (replaced.append(fd), put(fd)) if fd == number else None
            subject.hang_up()
            assert replaced == [number]
            assert mine.fileno() == number
            assert not os.get_blocking(number)
            assert mine.recv(10) == b""
            with pytest.raises(BrokenPipeError):
                mine.send(b"x")
            with pytest.raises(ConnectionResetError):
                theirs.recv(10)


@pytest.mark.parametrize("kind", ["listener", "datagram", "unconnected", "pair"])
def test_what_is_no_connection_stays(subject: ModuleType, kind: str) -> None:
    pair = socket.socketpair()
    made = {
        "listener": lambda: socket.create_server(("127.0.0.1", 0)),
        "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unconnected": socket.socket,
        "pair": lambda: pair[0],
    }[kind]()
    with made, pair[1]:
        assert not subject._is_connection(made)
    pair[0].close()


class _Client:
    def __init__(self, failures: int) -> None:
        self.asked = 0
        self._failures = failures

    def restore_next(self) -> None:
        self.asked += 1
        if self.asked <= self._failures:
            raise ConnectionResetError


def _installed(subject: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(subject, "hang_up", lambda: None)
    kind: Any = type("Client", (_Client,), {"restore_next": _Client.restore_next})
    subject.install(kind)
    return kind


def test_asking_goes_on_until_it_is_answered(subject: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    client = _installed(subject, monkeypatch)(3)
    client.restore_next()
    assert client.asked == 4


def test_an_api_that_is_gone_for_good_is_an_error(subject: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    client = _installed(subject, monkeypatch)(10_000)
    with pytest.raises(ConnectionResetError):
        client.restore_next()


def test_two_restores_of_one_state_have_other_random_numbers(subject: ModuleType) -> None:
    before = random.getstate()
    try:
        seen = set()
        for _ in range(2):
            random.setstate(before)
            subject.renew_randomness()
            seen.add(random.random())
    finally:
        random.setstate(before)
    assert len(seen) == 2
