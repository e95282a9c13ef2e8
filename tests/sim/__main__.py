"""Plays seeds from the command line.

`python -m tests.sim SEED [SEED ...]` tells the whole history of each, `FROM-TO` plays a range and tells what is broken. With
`--for APP_DSN OWNER_DSN` it is the other end of `player.Player`: a seed on each line of its input, a result on each of its output.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import TestServer
from tests.sim.player import HASHES
from tests.sim.world import Stage


@contextlib.contextmanager
def _stage() -> Iterator[Stage]:
    """A stage on a PostgreSQL of its own."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-sim-"))
    server = TestServer(folder)
    asyncio.run(server.start())
    try:
        name = asyncio.run(server.clone())
        with contextlib.closing(Stage(server.app_dsn(name), server.owner_dsn(name))) as stage:
            yield stage
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """0 when every promise was kept."""
    if arguments[0] == "--for":
        return _serve(*arguments[1:])
    if os.environ.get("PYTHONHASHSEED") != HASHES["PYTHONHASHSEED"]:
        os.execve(sys.executable, [sys.executable, "-m", "tests.sim", *arguments], {**os.environ, **HASHES})
    with _stage() as stage:
        if len(arguments) == 1 and "-" in arguments[0]:
            return _range(stage, *map(int, arguments[0].split("-")))
        return sum(_one(stage, int(argument)) for argument in arguments)


def _serve(app_dsn: str, owner_dsn: str) -> int:
    with contextlib.closing(Stage(app_dsn, owner_dsn)) as stage:
        for line in sys.stdin:
            result = stage.play(int(line))
            told = {"digest": result.digest, "lines": len(result.trace), "story": result.broken and result.told()}
            print(json.dumps(told), flush=True)
    return 0


def _range(stage: Stage, first: int, last: int) -> int:
    bad = 0
    for seed in range(first, last + 1):
        began = time.monotonic()
        result = stage.play(seed)
        took_s = time.monotonic() - began
        print(
            f"{seed}: {result.lasted_s:.1f} s in {took_s:.2f} s, {result.checks} checks, {result.states} {result.digest[:8]}"
        )
        for sentence in result.broken:
            print(f"   {sentence}", flush=True)
        bad += bool(result.broken)
    return bad


def _one(stage: Stage, seed: int) -> int:
    result = stage.play(seed)
    print("\n".join(result.trace))
    print(f"seed {seed}: {result.states}, {result.copies} copies, {result.lasted_s:.1f} s, digest {result.digest[:16]}")
    for sentence in result.broken:
        print(f"BROKEN {sentence}")
    return bool(result.broken)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
