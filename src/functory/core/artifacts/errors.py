"""Why a package cannot be taken."""

from __future__ import annotations

from enum import Enum

from functory.kernel.errors import FunctoryError


class PackageFault(Enum):
    """What is wrong with a package."""

    UNREADABLE = "unreadable"
    """Not a zip, damaged, encrypted, or holding entries that must not be written."""
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    """Its content is larger than the limit."""


class BadPackage(FunctoryError):  # noqa: N818  the caller's mistake, turned into AWS's error by the service
    """A package that is refused. The text says what was found, for our log and for tests, not for the AWS caller."""

    def __init__(self, fault: PackageFault, detail: str) -> None:
        super().__init__(f"{fault.value}: {detail}")
        self.fault = fault
        self.detail = detail
