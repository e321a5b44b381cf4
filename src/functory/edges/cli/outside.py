"""Everything a command touches beyond its own words, in one value, so that tests hand in fakes instead of patching.

click carries it as the context object. `Outside.real` is what the command line uses; its functions import what they need
when they are called. ``wiring`` stands above the edges, so it is reached by name and never imported here.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import click

if TYPE_CHECKING:
    from functory.edges.cli.client import Endpoint
    from functory.kernel.settings import RuntimeSettings, SandboxSettings, Settings


class ReadyInfo(Protocol):
    """What a node tells when it is ready."""

    url: str
    driver: str
    data_dir: str
    version: str


RunNode = Callable[["Settings", Callable[[ReadyInfo], None]], int]
"""Run a node until it is told to stop; returns its exit code. Calls the second argument once, when it takes requests."""


Bootstrap = Callable[["Settings", Mapping[str, Any]], dict[str, Any]]
"""Make an administrator in a data folder that no node uses: ``account_id``, ``user_name``, ``force`` -> what was made."""


def _run_node(settings: Settings, ready: Callable[[ReadyInfo], None]) -> int:
    gc.disable()  # what is imported stays: looking through it over and over would be a seventh of the start
    run = cast("RunNode", importlib.import_module("functory.wiring").run_node)
    gc.freeze()
    gc.enable()
    return run(settings, ready)


def _client(service: str, endpoint: Endpoint) -> Any:
    from functory.edges.cli.client import connect

    return connect(service, endpoint)


def _get_json(url: str, timeout_s: float) -> dict[str, Any]:
    from functory.edges.cli.client import get_json

    return get_json(url, timeout_s)


def _post_json(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, dict[str, Any]]:
    from functory.edges.cli.client import post_json

    return post_json(url, body, headers, timeout_s)


def _bootstrap(settings: Settings, wish: Mapping[str, Any]) -> dict[str, Any]:
    make = cast("Bootstrap", importlib.import_module("functory.wiring").bootstrap)
    return make(settings, wish)


def _catalog(settings: RuntimeSettings) -> Any:
    return importlib.import_module("functory.runtimes.catalog").Catalog(settings)


def _installer(settings: RuntimeSettings) -> Any:
    return importlib.import_module("functory.runtimes.install").Installer(settings)


def _sandbox_checks(settings: SandboxSettings) -> Iterable[Any]:
    from functory.kernel import log
    from functory.kernel.settings import LogSettings

    log.configure(LogSettings(level="error"))
    with tempfile.TemporaryDirectory(prefix="functory-doctor-") as run_dir:
        probe = importlib.import_module("functory.sandbox.probe")
        probe.prepare_process(settings)
        return cast("Iterable[Any]", asyncio.run(probe.doctor(settings, Path(run_dir))))


@dataclass(frozen=True, slots=True)
class Outside:
    """What commands ask of the world.

    Attributes:
        environ: environment variables.
        run_node: see `RunNode`.
        client: an AWS client of a service at an endpoint.
        get_json: body of a GET as an object; raises ``OSError`` when nothing answers, ``ValueError`` when it is no JSON.
        post_json: status and body of a POST as an object; raises as ``get_json`` does.
        bootstrap: see `Bootstrap`.
        catalog: the runtime catalogue of a settings section.
        installer: what makes runtimes ready, of the same section.
        sandbox_checks: what isolation has to say to ``doctor``.
        epoch_s: the time.
        wait: pause between two looks at the node.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    run_node: RunNode = _run_node
    client: Callable[[str, Endpoint], Any] = _client
    get_json: Callable[[str, float], dict[str, Any]] = _get_json
    post_json: Callable[[str, bytes, Mapping[str, str], float], tuple[int, dict[str, Any]]] = _post_json
    bootstrap: Bootstrap = _bootstrap
    catalog: Callable[[RuntimeSettings], Any] = _catalog
    installer: Callable[[RuntimeSettings], Any] = _installer
    sandbox_checks: Callable[[SandboxSettings], Iterable[Any]] = _sandbox_checks
    epoch_s: Callable[[], float] = time.time
    wait: Callable[[float], None] = time.sleep


pass_outside = click.make_pass_decorator(Outside, ensure=True)
