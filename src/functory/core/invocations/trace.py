"""Trace identifiers of invocations. Pure."""

from __future__ import annotations

from functory.kernel.ids import Ids


def new_trace_id(epoch_s: float, ids: Ids) -> str:
    """A trace header value that is not sampled: ``Root=1-<time>-<id>;Parent=<id>;Sampled=0``."""
    digits = ids.hex(40)
    return f"Root=1-{int(epoch_s):08x}-{digits[:24]};Parent={digits[24:]};Sampled=0"
