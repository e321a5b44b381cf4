"""What must hold for every managed runtime: it answers, tells errors, is ended in time, finds layers, is wrapped.

What a machine lacks is skipped by name. ``provided.*`` (shell, Go, Rust) and images have files of their own.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from functory.runtimes.catalog import Catalog
from functory.runtimes.definitions import load_all
from tests.integration.engine.test_layers import layer
from tests.integration.environments.test_extensions import EXTENSION
from tests.support.families import SAMPLES, Sample
from tests.support.running_node import Function, Node, until

MANAGED = [definition.id for definition in load_all().values() if not definition.is_custom]
pytestmark = [pytest.mark.root, pytest.mark.parametrize("runtime", MANAGED, indirect=True, scope="module")]
WRAPPER = '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'


@pytest.fixture(scope="module")
def sample(catalog: Catalog, runtime: str, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    language = load_all()[runtime].language
    return SAMPLES[language](asyncio.run(catalog.resolve(runtime)), tmp_path_factory.mktemp(language))


@pytest.fixture(scope="module")
def function(node: Node, runtime: str, sample: Sample) -> Function:
    """The sample with its library in a layer, and two seconds for each invocation."""
    return node.deploy(
        sample.files, runtime, sample.handler, MemorySize=512, Timeout=2, Layers=[layer(node, sample.layer)],
        Environment={"Variables": dict(sample.environ)},
    )  # fmt: skip


def test_it_answers(function: Function, runtime: str) -> None:
    answer = function.invoke({"name": "ü"})
    assert (answer.error, answer.json) == (None, {"hello": "ü"})
    assert function.invoke({"name": "again"}).json == {"hello": "again"}
    language = re.match("[a-z]+", runtime)
    assert language is not None
    assert f"Runtime Version: {language[0]}:" in function.logged("INIT_START")


def test_an_error_is_told_and_the_next_event_is_answered(function: Function, sample: Sample) -> None:
    answer = function.invoke({"do": "fail"})
    assert answer.error == "Unhandled"
    error = answer.json
    assert (error["errorType"], error["errorMessage"]) == (sample.error, "no")
    traces = [error[name] for name in ("stackTrace", "trace") if name in error]
    assert len(traces) == 1
    assert all(isinstance(line, str) for line in traces[0])
    assert function.invoke({"name": "after"}).json == {"hello": "after"}


def test_it_finds_the_library_of_its_layer(function: Function) -> None:
    assert function.invoke({"do": "layer"}).json == {"layer": "layer"}


def test_it_is_ended_in_time_and_starts_anew(function: Function) -> None:
    function.invoke({"name": "before"})
    answer = function.invoke({"do": "sleep"})
    assert answer.error == "Unhandled"
    assert answer.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer.request_id} Error: Task timed out after 2.00 seconds",
    }
    answers = until(lambda: [answer for answer in [function.invoke({"name": "new"})] if answer.error is None])
    assert answers[0].json == {"hello": "new"}


def test_a_wrapper_starts_it_and_an_extension_runs_beside_it(node: Node, runtime: str, sample: Sample) -> None:
    company = layer(node, {"wrapper": WRAPPER, "extensions/one": EXTENSION} | dict(sample.layer))
    variables = {**sample.environ, "AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
    function = node.deploy(
        sample.files, runtime, sample.handler, MemorySize=512, Layers=[company], Environment={"Variables": variables}
    )
    assert function.invoke({"do": "wrapped"}).json == {"wrapped": "yes"}
    assert "Name: one\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in function.logged("Name: one", "event INVOKE")
