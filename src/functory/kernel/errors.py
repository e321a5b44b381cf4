"""The root of every error Functory raises on purpose.

::

    FunctoryError
    ├── SettingsError            a flag, variable or file says something impossible
    ├── IllegalTransition        a state machine was asked for a move its table does not have (kernel.transition)
    ├── StoreError               store.port: the data folder cannot be used (locked, newer, damaged)
    ├── SandboxError             sandbox.port: a sandbox could not be made or started
    ├── RuntimeMissing           runtimes: the interpreter asked for is not on this machine
    └── AwsError                 aws.errors: an error of an AWS API, as the caller will see it

A failing *function* is not an error of ours but a value (``core.invocations.outcome``).
"""

from __future__ import annotations


class FunctoryError(Exception):
    """Root of all errors of this package. The text is for people and holds no secret."""


class SettingsError(FunctoryError):
    """A setting has a value that cannot work; the text names the setting and what it may be."""
