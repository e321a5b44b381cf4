"""Functory: AWS Lambda for your own machines.

The package is built in floors; a floor imports only the floors below it:

    wiring > edges > services > core > sandbox | runtimes | store | bus | net > aws > kernel

``docs/architecture/`` walks through the house one flow at a time.
"""

__version__ = "0.1.0"
