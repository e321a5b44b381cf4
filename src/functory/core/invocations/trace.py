"""Trace identifiers of invocations. Pure."""

from __future__ import annotations

from functory.kernel.ids import Ids


def new_trace_id(epoch_s: float, ids: Ids) -> str:
    """A trace header value of which nobody has decided whether it is sampled: ``Root=1-<time>-<id>;Parent=<id>``."""
    digits = ids.hex(40)
    return f"Root=1-{int(epoch_s):08x}-{digits[:24]};Parent={digits[24:]}"


def is_undecided(trace_id: str) -> bool:
    """Whether nobody has decided yet about sampling."""
    return "Sampled=" not in trace_id or "Sampled=?" in trace_id


def decided(trace_id: str, *, is_sampled: bool) -> str:
    """An undecided trace header value with a decision."""
    kept = [field for field in trace_id.split(";") if not field.startswith("Sampled=")]
    return ";".join([*kept, f"Sampled={int(is_sampled)}"])
