"""Which functions a standby can serve, and how many to keep. Pure: values in, values out.

**Which.** A standby's interpreter, shell and C library have read their environment already. A function that sets a variable
which one of them reads when a process starts gets a process of its own, as does one whose wrapper script must run first.

**How many.** While a standby is being made, so many functions ask for one as come in that time; a pool that holds half as
many again meets that. A call that found none shows that the estimate was too low. Nobody asked for long: none is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

_READ_AT_START = re.compile(
    r"AWS_LAMBDA_EXEC_WRAPPER|PATH|LD_.*|LANG|LANGUAGE|LC_.*|TZDIR|LOCPATH|NLSPATH|GCONV_PATH|GLIBC_TUNABLES|MALLOC_.*"
    r"|PYTHON.*|NODE_.*|UV_.*|OPENSSL_.*|SSL_CERT_.*|SSLKEYLOGFILE|ICU_DATA|BASH.*|ENV|IFS|PWD|OLDPWD|SHLVL|SHELLOPTS|POSIXLY_CORRECT"
    r"|_FUNCTORY_.*|_"
)
HORIZON_S = 5.0
"""How far back the estimate of calls per second looks."""
LEAST = 2
"""Kept of every runtime in use, whatever the estimate: calls seldom come alone."""
_RESERVE = 1.5
CALM_S = 300.0
"""A runtime asked for within it is worth a full shelf when nothing else is to do."""
MEMORY_SHARE = 0.05
"""Of the node's memory for environments: what standbys made in calm times may hold together."""
BACKOFF_S = 1.0
BACKOFF_S_MAX = 60.0


def needs_own_process(names: Iterable[str]) -> bool:
    """Whether one of the function's own variables matters when a process starts."""
    return any(_READ_AT_START.fullmatch(name) for name in names)


@dataclass(frozen=True, slots=True)
class Demand:
    """How often a standby is asked for.

    Attributes:
        per_s: moving mean over `HORIZON_S`.
        at: of the last question or sign of one, on the loop's clock; None before the first.
        missed: questions since the last one that was met.
    """

    per_s: float = 0.0
    at: float | None = None
    missed: int = 0

    def asked(self, now: float, *, met: bool) -> Demand:
        """After one more question."""
        return Demand(self.rate(now) + 1 / HORIZON_S, now, 0 if met else self.missed + 1)

    def expected(self, now: float) -> Demand:
        """After a sign that one will be asked for."""
        return Demand(self.rate(now), now, self.missed)

    def rate(self, now: float) -> float:
        """Questions per second, now."""
        if self.at is None:
            return 0.0
        return self.per_s * math.exp(-max(0.0, now - self.at) / HORIZON_S)


def wanted(demand: Demand, now: float, make_s: float, most: int, idle_s: float) -> int:
    """How many standbys to hold now, between 0 and ``most``.

    Args:
        make_s: how long making one takes.
        idle_s: after which a runtime nobody asked for gets none.
    """
    if demand.at is None or now - demand.at >= idle_s:
        return 0
    expected = math.ceil(demand.rate(now) * make_s * _RESERVE)
    return min(most, max(LEAST, expected) + min(demand.missed, most))


def wanted_in_calm(demand: Demand, now: float, most: int, idle_s: float) -> int:
    """How many standbys to hold where the machine has nothing else to do, between 0 and ``most``; see `wanted`."""
    return most if demand.at is not None and now - demand.at < min(CALM_S, idle_s) else 0


def backoff_s(failures: int) -> float:
    """How long to make none after so many failures in a row."""
    return 0.0 if failures == 0 else min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** min(failures - 1, 16))
