"""What a Lambda runtime is, as data, and where its interpreter is on this machine.

One TOML file per identifier under ``definitions/``, small bootstraps under ``bootstraps/`` where a language needs ours.
`catalog` answers what `port` declares.
"""
