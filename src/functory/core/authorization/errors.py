"""What is wrong with a policy document."""

from __future__ import annotations

from functory.kernel.errors import FunctoryError


class PolicyError(FunctoryError):
    """A policy document cannot be evaluated; the text says why."""
