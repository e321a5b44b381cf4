from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from functory.core.functions.routes import Readiness
from functory.kernel.transition import IllegalTransition
from functory.services.lambda_.lifecycle import State, UpdateStatus
from functory.services.lambda_.records import Code, Config, Stamp, VersionRecord, created, version_record, version_row

KEY = ("123456789012", "eu-central-1", "f")
CONFIG = Config(runtime="python3.12", role="r")
CODE = Code("aa" * 32, 10, 20)


class Columns:
    def __init__(self, record: VersionRecord) -> None:
        self.__dict__.update(version_row(record))


class Life(RuleBasedStateMachine):
    """Any order of moves: each is made or refused, and the record always fits its columns and its candidate."""

    def __init__(self) -> None:
        super().__init__()
        self.serial = 0
        self.record = created(KEY, CONFIG, CODE, self.stamp())
        self.was_ready = False

    def stamp(self) -> Stamp:
        self.serial += 1
        return Stamp(float(self.serial), f"r{self.serial}", f"e{self.serial}", f"pr{self.serial}", f"pe{self.serial}")

    @rule(timeout=st.integers(1, 9))
    def change(self, timeout: int) -> None:
        busy = self.record.is_unsettled
        config = Config(runtime="python3.12", role="r", timeout_s=timeout)
        if busy:
            with pytest.raises(IllegalTransition):
                self.record.changed(self.stamp(), config=config)
        else:
            self.record = self.record.changed(self.stamp(), config=config)
            assert self.record.is_unsettled

    @rule()
    def prepare(self) -> None:
        if not self.record.is_unsettled:
            return
        self.record = self.record.prepared(self.stamp().revision_id)
        self.was_ready = True
        assert self.record.live_epoch == self.record.epoch
        assert self.record.live_config == self.record.config

    @rule()
    def fail(self) -> None:
        if self.record.is_unsettled:
            self.record = self.record.failed(self.stamp().revision_id, "InvalidRuntime", "not here")

    @rule()
    def retry(self) -> None:
        failed = self.record.state is State.FAILED or self.record.update_status is UpdateStatus.FAILED
        if failed:
            self.record = self.record.again(self.stamp().revision_id)
            assert self.record.is_unsettled

    @invariant()
    def columns_hold_everything(self) -> None:
        assert version_record(Columns(self.record)) == self.record

    @invariant()
    def what_was_ready_once_stays_ready(self) -> None:
        candidate = self.record.candidate("", {})
        assert (candidate.readiness is Readiness.READY) == self.was_ready
        assert (candidate.facts is not None) == self.was_ready


TestLife = Life.TestCase


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_the_order_of_variables_does_not_make_another_version(variables: dict[str, str]) -> None:
    def digest(environment: dict[str, str]) -> str:
        config = Config(runtime="python3.12", role="r", environment=environment)
        return created(KEY, config, CODE, Stamp(0.0, "", "", "", "")).digest

    assert digest(variables) == digest(dict(reversed(variables.items())))
