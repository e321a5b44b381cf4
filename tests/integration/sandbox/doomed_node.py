"""A node that makes three sandboxes, says so, and waits to be killed. Arguments: runtime, run folder, network."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import cast

from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.outbound import Mode, Wish
from functory.sandbox.port import SandboxSpec
from tests.support.sandboxes import BASH, launch


async def main() -> None:
    wish = Wish(cast("Mode", sys.argv[3])) if len(sys.argv) > 3 else Wish()
    driver = OciDriver(Path(sys.argv[1]), Path(sys.argv[2]), wish=wish)
    await driver.start()
    for number in range(3):
        sandbox = await driver.prepare(SandboxSpec(f"doomed-{number}", ()))
        await launch(sandbox, BASH, "-c", "sleep 4000 & sleep 4000")
        if number == 2:
            await sandbox.freeze()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main())
