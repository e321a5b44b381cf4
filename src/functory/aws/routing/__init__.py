"""Which operation of which service a raw HTTP request is: `Router`, `Route`."""

from functory.aws.routing.router import Route, Router

__all__ = ["Route", "Router"]
