"""Plays seeds in a process of its own, in which sets of strings have the same order every time: what it finds can be found again."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

HASHES: Final = {"PYTHONHASHSEED": "0"}
_ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Played:
    """What identifies a history, how many lines tell it, and, when a promise was broken, the end of the story."""

    digest: str
    lines: int
    story: str


class Player:
    """Use as `with`."""

    def __init__(self, app_dsn: str, owner_dsn: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sim", "--for", app_dsn, owner_dsn],
            cwd=_ROOT,
            env={**os.environ, **HASHES},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def play(self, seed: int) -> Played:
        """One seed from beginning to end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the simulation of seed {seed} ended by itself; see its error above"
        told = json.loads(line)
        return Played(told["digest"], told["lines"], told["story"] or "")
