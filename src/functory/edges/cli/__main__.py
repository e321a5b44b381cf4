"""``python -m functory.edges.cli``: the same as the command ``functory`` (a detached node is started this way)."""

from __future__ import annotations

from functory.edges.cli.main import main

if __name__ == "__main__":
    main()
