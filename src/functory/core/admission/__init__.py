"""Permits: the right to run one invocation now (account, reserved and provisioned concurrency)."""
