"""One line of ``functory doctor``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A fact about this machine; ``advice`` is what to do when not ``ok``."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
