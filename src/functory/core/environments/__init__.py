"""Execution environments: their state machine, pools and leases."""
