"""Runtimes that are ready on this machine, and a Runtime API for them to talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from functory.kernel import settings
from functory.runtimes.catalog import Catalog
from functory.runtimes.port import ReadyRuntime, RuntimeMissing
from tests.support.runtime_api import RuntimeApi


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog(settings.load().runtimes)


@pytest.fixture
def ready(request: pytest.FixtureRequest, catalog: Catalog) -> ReadyRuntime:
    """The runtime named by the test's parameter; skips when it is not installed."""
    try:
        return asyncio.run(catalog.resolve(request.param))
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    yield api
    api.close()
