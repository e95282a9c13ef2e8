"""The folder that holds everything kept on this machine, and the lock that gives it to one supervisor at a time."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from posthouse.model import limits

_POLL_S: Final = 0.1


class FolderError(Exception):
    """The data folder cannot be used; the text says why and what to do."""


def ensure(folder: Path) -> None:
    """Make the folder, for its owner only, if it is not there. Raises FolderError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"cannot make the data folder {folder} ({error.strerror}): choose one with --data") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise FolderError(f"the data folder {folder} belongs to somebody else: choose one with --data")


@contextlib.asynccontextmanager
async def locked(folder: Path, *, patience_s: float = limits.LOCK_PATIENCE_S) -> AsyncIterator[None]:
    """Hold the folder while the block runs; the kernel lets go when this process dies. Raises FolderError."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(descriptor, folder, patience_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, folder: Path, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                holder = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
                raise FolderError(f"process {holder} already uses the data folder {folder}: stop it first") from error
        else:
            return
        await asyncio.sleep(_POLL_S)


def note_address(folder: Path, url: str) -> None:
    """Keep where the pages are, for commands that run beside the installation."""
    draft = folder / "address.new"
    draft.write_text(f"{url}\n")
    draft.replace(folder / "address")


def noted_address(folder: Path) -> str:
    """What `note_address` kept; empty when nothing was ever started in this folder."""
    with contextlib.suppress(OSError):
        return (folder / "address").read_text().strip()
    return ""


def ensure_password(path: Path) -> str:
    """A random password of letters and digits that is kept in a file only its owner can read."""
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(24))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return path.read_text()
