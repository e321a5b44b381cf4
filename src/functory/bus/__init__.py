"""Nudges between rooms and nodes: the port and the in-process implementation."""
