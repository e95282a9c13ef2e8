"""The built product as a user runs it: `posthouse up --lab --json` as a program of its own, asked, killed and ended by process id."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from free_ports import free_ports

PORTS = 24  # what one installation counts from its base
START_S = 90.0
STOP_S = 45.0


@dataclass
class Product:
    """One installation in a folder. Settings are environment variables without their POSTHOUSE_ prefix."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    base: int = field(default_factory=lambda: free_ports(PORTS).start)
    said: dict[str, Any] = field(default_factory=dict)
    _program: "subprocess.Popen[str] | None" = None

    @property
    def submission(self) -> tuple[str, int]:
        """Where mail is handed in by SMTP."""
        host, _, port = self.said["submission"].rpartition(":")
        return host, int(port)

    @property
    def log(self) -> Path:
        """What it wrote on standard error, over all starts."""
        return self.folder / "up.log"

    def start(self) -> None:
        """Start, or start again, and wait for its line of JSON."""
        command = [sys.executable, "-m", "posthouse.cli.main", "up", "--lab", "--json"]
        command += ["--data", str(self.folder / "data"), "--port-base", str(self.base)]
        with self.log.open("ab") as log:
            self._program = subprocess.Popen(
                command, env=self._environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._program.stdout is not None
        spoke, _, _ = select.select([self._program.stdout], [], [], START_S)
        line = self._program.stdout.readline() if spoke else ""
        assert line, f"it did not start: {self.log.read_text()[-3000:]}"
        self.said = json.loads(line)

    def stop(self) -> int:
        """SIGTERM, the draining, and its exit status."""
        if self._program is None:
            return 0
        self._program.send_signal(signal.SIGTERM)
        try:
            status = self._program.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise
        self._reap()
        return status

    def processes(self) -> dict[str, psutil.Process]:
        """What runs now: supervisor, postgres and every seat (web, delivery, delivery.2 ...)."""
        assert self._program is not None
        supervisor = psutil.Process(self._program.pid)
        found = {"supervisor": supervisor}
        for child in supervisor.children():
            with contextlib.suppress(psutil.Error):
                if name := _name_of(child.cmdline()):
                    found[name] = child
        return found

    def kill(self, name: str) -> bool:
        """kill -9 of one process; False when it does not run at this moment."""
        process = self.processes().get(name)
        if process is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        if name == "supervisor":
            self._reap()
        return True

    def kill_everything(self) -> None:
        """kill -9 of the supervisor and all below it, the PostgreSQL server included."""
        assert self._program is not None
        supervisor = psutil.Process(self._program.pid)
        doomed = [supervisor, *supervisor.children(recursive=True)]
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(doomed, timeout=10)
        self._reap()

    def api(self) -> httpx.Client:
        """A client with the lab's key, that asks again while the web role is being restarted."""
        headers = {"authorization": f"Bearer {self.said['api_key']}"}
        transport = httpx.HTTPTransport(retries=5)
        return httpx.Client(
            base_url=self.said["web"], headers=headers, transport=transport, trust_env=False, timeout=20
        )

    def _environ(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE_")}
        return own | {f"POSTHOUSE_{name}": value for name, value in self.settings.items()}

    def _reap(self) -> None:
        assert self._program is not None
        self._program.wait()
        if self._program.stdout is not None:
            self._program.stdout.close()
        self._program = None


def _name_of(command: list[str]) -> str:
    if "posthouse.cli.role" in command:
        role, index, *_ = command[command.index("posthouse.cli.role") + 1 :]
        return role if index == "1" else f"{role}.{index}"
    return "postgres" if command and Path(command[0]).name == "postgres" else ""


@contextlib.contextmanager
def running(**settings: str) -> Iterator[Product]:
    """A product in a temporary folder, from started to ended and swept away. `running(DELIVERY_ROUTES='{"*": "127.0.0.1:2525"}')`."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-product-"))
    product = Product(folder, settings)
    try:
        product.start()
        yield product
        assert product.stop() == 0, product.log.read_text()[-3000:]
    finally:
        if product._program is not None and product._program.poll() is None:
            product.kill_everything()
        _sweep(folder)


def _sweep(folder: Path) -> None:
    """A killed server's orphans may still be writing their last file."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
