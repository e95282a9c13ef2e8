"""Runs pg_dump and pg_restore: the installed wheel's, or for a server the wheel's cannot serve those on the PATH.

The password goes by the environment, never on a command line that every user of the machine can read. Data flows through this
process in pieces; nothing is kept in memory or in temporary files.
"""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from posthouse.runtime import embedded
from posthouse.runtime.embedded_runner import EmbeddedError, Runner
from posthouse.runtime.postgres import connect

_CHUNK: Final = 1_048_576
_VERSION: Final = re.compile(r"(\d+)(?:\.\d+)?")
_KEPT: Final = ("HOME", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY")


class DumpError(Exception):
    """pg_dump or pg_restore is missing or failed; the text is what it said."""


async def server_version(dsn: str) -> int:
    """Major version of the server behind a DSN."""
    connection = await connect(dsn, name="posthouse backup")
    try:
        return int(await connection.fetchval("SELECT current_setting('server_version_num')")) // 10_000
    finally:
        await connection.close()


async def dump(dsn: str, write: Callable[[bytes], None]) -> None:
    """One consistent snapshot in the custom format, given to `write` in pieces. Raises DumpError."""
    command = [_program("pg_dump", await server_version(dsn)), "--format=custom", "--compress=gzip:1", "--no-owner"]
    async with _running(command, dsn, stdin=DEVNULL, stdout=PIPE) as process:
        assert process.stdout is not None
        while chunk := await process.stdout.read(_CHUNK):
            write(chunk)


async def restore(dsn: str, chunks: Iterable[bytes]) -> None:
    """A dump into an empty database, in one transaction: all of it or nothing. Raises DumpError."""
    program = _program("pg_restore", await server_version(dsn))
    command = [program, "--format=custom", "--no-owner", "--exit-on-error", "--single-transaction"]
    async with _running(command, dsn, stdin=PIPE, stdout=DEVNULL) as process:
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it stopped reading: its last words say why
            for chunk in chunks:
                process.stdin.write(chunk)
                await process.stdin.drain()
            process.stdin.close()
            await process.stdin.wait_closed()


@contextlib.asynccontextmanager
async def _running(command: list[str], dsn: str, *, stdin: int, stdout: int) -> AsyncIterator[Process]:
    """The program while the block moves its data; ended with it. Raises DumpError when it fails."""
    bare, password = _without_password(dsn)
    environ = {**Runner.environ(), **{name: os.environ[name] for name in _KEPT if name in os.environ}, **password}
    process = await asyncio.create_subprocess_exec(
        *command, f"--dbname={bare}", stdin=stdin, stdout=stdout, stderr=PIPE, env=environ
    )
    assert process.stderr is not None
    words = asyncio.ensure_future(process.stderr.read())
    try:
        yield process
        status = await process.wait()
        if status:
            said = (await words).decode(errors="replace").strip()
            raise DumpError(f"{Path(command[0]).name} failed: {said or f'exit status {status}'}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await words


def _without_password(dsn: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(dsn)
    user_part, at, host = parts.netloc.rpartition("@")
    user, colon, password = user_part.partition(":")
    if not colon:
        return dsn, {}
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}")), {"PGPASSWORD": unquote(password)}


def _program(name: str, server: int) -> str:
    """The program of the server's own version, or of the nearest later one. Raises DumpError."""
    versions = {path: _major(path) for path in _candidates(name)}
    fitting = sorted((version, path) for path, version in versions.items() if version >= server)
    if not fitting:
        found = ", ".join(f"{path} is {version}" for path, version in versions.items()) or "there is none"
        raise DumpError(f"the server is PostgreSQL {server} and needs a {name} at least as new: {found}")
    return fitting[0][1]


def _candidates(name: str) -> list[str]:
    with contextlib.suppress(EmbeddedError):
        return [str(embedded.program(name)), *filter(None, [shutil.which(name)])]
    return [*filter(None, [shutil.which(name)])]


def _major(program: str) -> int:
    """Major version; 0 for a program that does not run."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return 0
    found = _VERSION.search(said)
    return int(found[1]) if found else 0
