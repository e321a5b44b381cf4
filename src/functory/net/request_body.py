"""The body of a request that is handed on while it comes, for applications that must not wait for its end.

**Theory.** The connection pushes pieces as the parser finds them; whoever has attached a receiver gets each at once and
holds the sender back with `pause`. The connection then stops reading its socket, so the sender is slowed down by TCP and
nothing piles up here: while nobody is attached (the request waits behind another one) or the body is paused, at most what
one read of the socket brought is kept. A body whose exchange was answered is thrown away as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class BodyReceiver(Protocol):
    """Takes a body; called on the event loop, must not raise."""

    def piece(self, data: bytes) -> None:
        """The next bytes, never empty."""

    def ended(self, trailers: Mapping[str, str]) -> None:
        """The body is complete; trailers with names in lower case."""

    def lost(self) -> None:
        """The connection ended first."""


class RequestBody:
    """See the module.

    Args:
        hold: called with whether the connection shall stop reading.
    """

    __slots__ = ("_hold", "_is_complete", "_is_lost", "_is_paused", "_kept", "_receiver", "is_discarded", "trailers")

    def __init__(self, hold: Callable[[bool], None]) -> None:
        self.trailers: dict[str, str] = {}
        self.is_discarded = False
        self._hold = hold
        self._receiver: BodyReceiver | None = None
        self._kept: list[bytes] = []
        self._is_paused = False
        self._is_complete = False
        self._is_lost = False

    # -- the application's side

    def attach(self, receiver: BodyReceiver) -> None:
        """Hand everything to ``receiver``, what has come already first."""
        self._receiver = receiver
        self._hand_on()

    def pause(self) -> None:
        """Hold the sender back. What is under way may still come. Idempotent."""
        self._is_paused = True
        self._hold(True)

    def resume(self) -> None:
        """Go on after `pause`. Idempotent."""
        self._is_paused = False
        self._hand_on()

    # -- the connection's side

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return not (self._is_complete or self._is_lost)

    def push(self, data: bytes) -> None:
        """The parser found bytes."""
        if self.is_discarded:
            return
        if self._receiver is not None and not self._is_paused and not self._kept:
            self._receiver.piece(data)
            return
        self._kept.append(data)
        self._hold(True)

    def complete(self) -> None:
        """The parser found the end."""
        self._is_complete = True
        self._hand_on()

    def lose(self) -> None:
        """The connection ended."""
        if self.is_open:
            self._is_lost = True
            self._hand_on()

    def discard(self) -> None:
        """Nobody wants the rest."""
        self.is_discarded = True
        self._receiver = None
        self._kept.clear()
        self._hold(False)

    def _hand_on(self) -> None:
        """Give the receiver what it may have now; the end comes when nothing is kept any more."""
        receiver = self._receiver
        if receiver is None:
            return
        kept = self._kept
        while kept and not self._is_paused and self._receiver is receiver:
            receiver.piece(kept.pop(0))
        if self._receiver is not receiver or self._is_paused or kept:
            return
        self._hold(False)
        if self.is_open:
            return
        self._receiver = None
        if self._is_complete:
            receiver.ended(self.trailers)
        else:
            receiver.lost()
