"""The Runtime API's state machine denies everything that its table does not have."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.environments.session import Answer, RuntimeApiError, RuntimeSession
from functory.core.environments.states import RuntimeState
from functory.core.invocations.response import ResponseSource, ResponseTooLarge
from functory.kernel.limits import SYNC_RESPONSE_BYTES


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def runtime_ready(self) -> None:
        self.events.append(("ready", None))

    def runtime_init_failed(self, answer: Answer) -> None:
        self.events.append(("init_failed", answer))

    def runtime_restorable(self) -> None:
        self.events.append(("restorable", None))

    def runtime_responding(self, content_type: str, source: ResponseSource) -> None:
        self.events.append(("responding", content_type))

    def runtime_sent(self, data: bytes) -> None:
        if len(data) > 100:
            raise ResponseTooLarge(100)
        self.events.append(("sent", data))

    def runtime_cut_response(self) -> None:
        self.events.append(("cut", None))

    def runtime_answered(self, answer: Answer) -> None:
        self.events.append(("answered", answer))


class Waiter:
    def __init__(self) -> None:
        self.is_gone = False
        self.got: tuple[list[tuple[str, str]], bytes] | None = None

    def deliver(self, headers: list[tuple[str, str]], body: bytes) -> None:
        self.got = (headers, body)


def running_session() -> tuple[RuntimeSession, Recorder]:
    recorder = Recorder()
    session = RuntimeSession(recorder)
    session.next(Waiter())
    session.send("id-1", [], b"{}")
    return session, recorder


def test_first_next_ends_init_and_second_next_after_the_answer_ends_the_invocation() -> None:
    session, recorder = running_session()
    session.response("id-1", b"1")
    session.next(Waiter())
    assert [name for name, _ in recorder.events] == ["ready", "answered", "ready"]
    assert session.is_waiting


def test_next_during_an_invocation_is_denied_with_the_agents_words() -> None:
    session, _ = running_session()
    with pytest.raises(RuntimeApiError) as denied:
        session.next(Waiter())
    assert denied.value.status == 403
    assert denied.value.error_type == "InvalidStateTransition"
    assert denied.value.message.startswith("State transition from Running to Ready failed for runtime.")
    assert session.state is RuntimeState.RUNNING


def test_answer_with_another_id_is_denied_and_changes_nothing() -> None:
    session, recorder = running_session()
    with pytest.raises(RuntimeApiError) as denied:
        session.response("other", b"1")
    assert (denied.value.status, denied.value.error_type) == (400, "InvalidRequestID")
    assert session.state is RuntimeState.RUNNING
    assert recorder.events == [("ready", None)]


def test_second_answer_is_denied() -> None:
    session, _ = running_session()
    session.response("id-1", b"1")
    with pytest.raises(RuntimeApiError) as denied:
        session.error("id-1", b"{}", "X")
    assert denied.value.status == 403


def test_init_error_after_init_is_denied() -> None:
    session, _ = running_session()
    with pytest.raises(RuntimeApiError):
        session.init_error(b"{}", "X")


def test_oversize_response_fails_the_invocation_and_the_call() -> None:
    session, recorder = running_session()
    with pytest.raises(RuntimeApiError) as denied:
        session.response("id-1", b"x" * (SYNC_RESPONSE_BYTES + 1))
    assert denied.value.status == 413
    name, answer = recorder.events[-1]
    assert name == "answered"
    assert answer.error_type == "Function.ResponseSizeTooLarge"
    assert answer.body == (
        b'{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        b'"errorType":"Function.ResponseSizeTooLarge"}'
    )


def test_a_runtime_that_lost_its_connection_may_ask_again() -> None:
    recorder = Recorder()
    session = RuntimeSession(recorder)
    lost = Waiter()
    session.next(lost)
    lost.is_gone = True
    assert not session.is_waiting
    session.next(Waiter())
    assert session.is_waiting
    assert recorder.events == [("ready", None)]


class Source:
    def pause(self) -> None: ...

    def resume(self) -> None: ...


def names(recorder: Recorder) -> list[str]:
    return [name for name, _ in recorder.events]


def test_a_streamed_response_is_told_as_it_comes() -> None:
    session, recorder = running_session()
    session.begin_response("id-1", "text/plain", Source())
    session.send_response(b"a")
    assert recorder.events[1:] == [("responding", "text/plain"), ("sent", b"a")]
    session.end_response("", b"")
    assert recorder.events[-1] == ("answered", Answer(b"", is_streamed=True))
    session.next(Waiter())
    assert session.is_waiting


def test_trailers_make_a_streamed_response_an_error() -> None:
    session, recorder = running_session()
    session.begin_response("id-1", "", Source())
    session.end_response("Error", b"{}")
    assert recorder.events[-1] == ("answered", Answer(b"{}", "Error"))


def test_a_streamed_response_that_is_too_long_fails_the_invocation_and_the_call() -> None:
    session, recorder = running_session()
    session.begin_response("id-1", "", Source())
    with pytest.raises(RuntimeApiError) as denied:
        session.send_response(b"x" * 101)
    assert (denied.value.status, denied.value.error_type) == (413, "RequestEntityTooLarge")
    assert recorder.events[-1][1].error_type == "Function.ResponseSizeTooLarge"
    assert b"(100 bytes)" in recorder.events[-1][1].body


def test_a_streamed_response_that_breaks_off_lets_the_runtime_go_on() -> None:
    session, recorder = running_session()
    session.begin_response("id-1", "", Source())
    session.cut_response()
    session.next(Waiter())
    assert names(recorder) == ["ready", "responding", "cut", "ready"]


@pytest.mark.parametrize("what", ["next", "response", "error", "begin"])
def test_nothing_else_is_allowed_while_a_response_is_under_way(what: str) -> None:
    session, _ = running_session()
    session.begin_response("id-1", "", Source())
    calls = {
        "next": lambda: session.next(Waiter()),
        "response": lambda: session.response("id-1", b"1"),
        "error": lambda: session.error("id-1", b"{}", "E"),
        "begin": lambda: session.begin_response("id-1", "", Source()),
    }
    with pytest.raises(RuntimeApiError) as denied:
        calls[what]()
    assert denied.value.status == 403
    assert denied.value.message.startswith("State transition from InvocationResponse to ")


def test_an_unknown_response_mode_is_denied() -> None:
    session, _ = running_session()
    with pytest.raises(RuntimeApiError) as denied:
        session.response("id-1", b"1", "sideways")
    assert (denied.value.status, denied.value.error_type) == (400, "InvalidFunctionResponseMode")
    session.response("id-1", b"1", "Buffered")


@given(st.lists(st.sampled_from(["next", "response", "error", "init_error", "send", "wrong_id"]), max_size=30))
def test_whatever_a_runtime_calls_answers_and_events_stay_paired(calls: list[str]) -> None:
    recorder = Recorder()
    session = RuntimeSession(recorder)
    sent = 0
    for call in calls:
        with contextlib.suppress(RuntimeApiError):
            match call:
                case "next":
                    session.next(Waiter())
                case "response":
                    session.response(f"id-{sent}", b"1")
                case "error":
                    session.error(f"id-{sent}", b"{}", "E")
                case "init_error":
                    session.init_error(b"{}", "E")
                case "wrong_id":
                    session.response("nobody", b"1")
                case "send" if session.is_waiting:
                    sent += 1
                    session.send(f"id-{sent}", [], b"{}")
    answered = sum(1 for name, _ in recorder.events if name == "answered")
    assert answered in {sent, sent - 1} or sent == 0


def restorable() -> tuple[RuntimeSession, Recorder]:
    events = Recorder()
    session = RuntimeSession(events)
    session.restores = True
    return session, events


def test_a_kept_runtime_waits_goes_on_and_serves() -> None:
    session, events = restorable()
    waiter = Waiter()
    session.restore_next(waiter)
    assert session.is_restorable
    assert not session.is_ready
    session.resume()
    assert waiter.got == ([("Content-Type", "application/json")], b"{}")
    session.next(Waiter())
    assert session.is_ready
    assert [name for name, _ in events.events] == ["restorable", "ready"]


def test_a_kept_runtime_that_lost_its_connection_asks_again() -> None:
    session, events = restorable()
    first, second = Waiter(), Waiter()
    session.restore_next(first)
    with pytest.raises(RuntimeApiError):
        session.restore_next(second)
    first.is_gone = True
    session.restore_next(second)
    session.resume()
    assert first.got is None
    assert second.got is not None
    assert [name for name, _ in events.events] == ["restorable"]


def test_an_error_after_the_restore_is_an_error_of_the_start() -> None:
    session, events = restorable()
    session.restore_next(Waiter())
    with pytest.raises(RuntimeApiError, match="RestoreReady to RuntimeRestoreErrorState"):
        session.restore_error(b"{}", "Runtime.AfterRestoreError")
    session.resume()
    session.restore_error(b"{}", "Runtime.AfterRestoreError")
    assert events.events[-1] == ("init_failed", Answer(b"{}", "Runtime.AfterRestoreError"))
    with pytest.raises(RuntimeApiError):
        session.next(Waiter())


def test_only_a_kept_runtime_may_wait_for_a_restore() -> None:
    session = RuntimeSession(Recorder())
    with pytest.raises(RuntimeApiError, match="Started to RestoreReady"):
        session.restore_next(Waiter())
    session.next(Waiter())
