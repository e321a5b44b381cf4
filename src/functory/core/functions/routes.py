"""What a qualifier leads to: one version, or two of them by weight. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from functory.core.functions.model import FunctionVersion
from functory.core.functions.terms import DEFAULT_TERMS, AsyncTerms


class Readiness(Enum):
    """Whether a version can take an invocation."""

    READY = "ready"
    PREPARING = "preparing"
    """Its first preparation is under way; it will be ready or failed soon."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that a qualifier may lead to.

    Attributes:
        version: ``$LATEST`` or a number as text.
        readiness: see `Readiness`.
        facts: what to run; None unless ready.
        state: AWS's word for the state (``Pending`` …), for error texts.
        reason: why it failed, for people.
        snap_start: whether its environments begin from a snapshot.
    """

    version: str
    readiness: Readiness
    facts: FunctionVersion | None
    state: str
    reason: str = ""
    snap_start: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where the invocations of one qualifier go.

    Attributes:
        primary: takes everything that `secondary` does not.
        secondary: the additional version of a weighted alias.
        weight: share of `secondary`, 0..1.
        terms: for asynchronous events sent to this qualifier.
        lineage: what stands for the function in chains of invocations (`core.invocations.lineage`).
        may_loop: whether recursive loops are left alone.
        is_tenanted: whether every invocation must say for which tenant it is.
    """

    primary: Candidate
    secondary: Candidate | None = None
    weight: float = 0.0
    terms: AsyncTerms = DEFAULT_TERMS
    lineage: str = ""
    may_loop: bool = False
    is_tenanted: bool = False

    def choose(self, fraction: float) -> Candidate:
        """The version for one request; ``fraction`` is uniform in [0, 1)."""
        if self.secondary is not None and fraction < self.weight:
            return self.secondary
        return self.primary
