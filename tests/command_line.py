"""The command `posthouse` as a person runs it, in a process of its own, on the test's database."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

_PATIENCE_S = 100


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.status == 0, self.err
        return msgspec.json.decode(self.out)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Commands about one installation; an empty `dsn` is the embedded server of `data`."""

    data: Path
    dsn: str = ""

    async def __call__(self, *arguments: object, given: bytes = b"", **environ: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "posthouse.cli.main", *map(str, arguments),
            stdin=PIPE, stdout=PIPE, stderr=PIPE, env=self._environ() | environ,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_PATIENCE_S):
                out, err = await process.communicate(given)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE_")}
        said = {"POSTHOUSE_DATA": str(self.data), "POSTHOUSE_POSTGRES_DSN": self.dsn, "COLUMNS": "200"}
        return kept | said | {"POSTHOUSE_SERVER_HOSTNAME": "mail.test"}
