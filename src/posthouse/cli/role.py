"""What the supervisor starts: `python -m posthouse.cli.role ROLE INDEX METRICS_PORT`, settings in the environment.

The same as `posthouse run` without a command line to parse: there are many of these processes, and each would pay for it.
"""

import sys

from posthouse.cli.ending import run
from posthouse.runtime.process import run_role
from posthouse.runtime.seats import Seat
from posthouse.runtime.settings_source import load


async def _run() -> None:
    role, index, metrics_port = sys.argv[1:]
    await run_role(load(), Seat(role, int(index), int(metrics_port)))


def main() -> None:
    """Runs until the role is told to stop."""
    run(_run())


if __name__ == "__main__":
    main()
