"""The implementations of ``sandbox.port``."""
