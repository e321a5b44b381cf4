"""Isolation of execution environments: the port (`port`) and the drivers behind it."""
