"""The messages, against the kernel as far as it answers anybody; the rest needs root and is in the integration tests."""

from __future__ import annotations

import os
import sys

import pytest

from functory.sandbox.netlink import End, RouteSocket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def test_routes_of_this_machine_are_listed() -> None:
    routes = RouteSocket()
    try:
        assert any(str(route.target) == "127.0.0.0/8" for route in routes.routes())
        assert all(route.target.prefixlen <= 32 for route in routes.routes())
    finally:
        routes.close()


def test_the_kernels_refusal_is_an_os_error() -> None:
    routes = RouteSocket()
    try:
        if os.geteuid() == 0:
            assert routes.remove("nosuchdevice") is False
        with pytest.raises(OSError, match="netlink"):
            routes.make_pair(End("a/b"), End("c/d"), 1500)
    finally:
        routes.close()
