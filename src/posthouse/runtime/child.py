"""A child process that is awaited without a thread: the kernel says through a file descriptor that it ended (pidfd_open(2))."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

_PR_SET_PDEATHSIG: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Child:
    """A running program in a session of its own, so that a Ctrl-C in our terminal reaches only us."""

    def __init__(self, started: "subprocess.Popen[bytes]") -> None:
        self._started = started
        self.pid = started.pid

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        user: int | None = None,
        group: int | None = None,
        cwd: Path | None = None,
        output: IO[bytes] | None = None,
        errors: IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
        when_orphaned: signal.Signals | None = None,
    ) -> Self:
        """Start a program; `output` takes what it says, and its errors unless `errors` does; `when_orphaned` is sent to it when
        this process dies."""
        return cls(
            subprocess.Popen(  # noqa: S603 - the command is ours
                command,
                env=environ,
                user=user,
                group=group,
                extra_groups=None if group is None else (),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if errors is None else errors,
                pass_fds=pass_fds,
                start_new_session=True,
                preexec_fn=None if when_orphaned is None else _on_death_of_parent(when_orphaned),
            )
        )

    @property
    def ended(self) -> bool:
        """Whether it is no more."""
        return self._started.poll() is not None

    def send(self, number: signal.Signals) -> None:
        """A signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._started.send_signal(number)

    async def wait(self) -> int:
        """Its exit status; minus the signal when one ended it."""
        if self._started.poll() is None:
            await _readable(os.pidfd_open(self.pid))
        return self._started.wait()

    async def ends_within(self, patience_s: float) -> bool:
        """Wait at most so long for its end; whether it came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self.wait()
        return self.ended


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    seen = asyncio.Event()
    loop.add_reader(descriptor, seen.set)
    try:
        await seen.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _on_death_of_parent(number: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def arrange() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os.kill(os.getpid(), number)

    return arrange
