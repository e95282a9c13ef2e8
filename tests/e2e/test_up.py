"""The two commands, as processes: what `posthouse up` prints, survives and leaves behind."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from free_ports import free_ports
from posthouse.runtime import vault
from posthouse.runtime.seats import ROLES

PATIENCE_S = 60.0
PORTS_NEEDED = 30
KEYS = {
    "web", "submission", "submissions", "inbound", "lab_smtp", "lab_web", "api_key", "smtp_user", "smtp_password", "sign_in", "pids",
}  # fmt: skip
PROCESSES = ["web", "submission", "inbound", "transactional", "notification", "marketing", "worker", "lab", "webhooks"]


def posthouse(*words: str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "posthouse.cli.main", *words]
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "POSTHOUSE_PROCESSES_TRANSACTIONAL": "1"}
    environ["POSTHOUSE_BLOCK_LISTS_LINK_ZONES"] = "[]"  # which doctor would ask
    environ |= {"PYTHONPATH": os.pathsep.join(sys.path), **options.pop("environ", {})}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True, **options)


@dataclass
class Up:
    """A running installation."""

    process: "subprocess.Popen[str]"
    said: dict[str, Any]
    base: int
    log: Path

    @property
    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = self.said["pids"]
        return pids

    def family(self) -> list[psutil.Process]:
        """Every process it consists of now."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def ready(self, name: str) -> bool:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            port = self.base + 10 + list(ROLES).index(name)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        return False

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        assert self.process.stdout.read() == ""
        return self.process.returncode


def eventually(what: Callable[[], bool], says: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, says
        time.sleep(0.05)


def gone(processes: Sequence[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Up]]:
    started: list[subprocess.Popen[str]] = []
    base = free_ports(PORTS_NEEDED).start

    def up(data: Path) -> Up:
        log = tmp_path_factory.mktemp("log") / "stderr"
        with log.open("w") as stderr:
            process = posthouse("up", "--lab", "--json", "--data", str(data), "--port-base", str(base), stderr=stderr)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        return Up(process, json.loads(line), base, log)

    yield up
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "data"


@pytest.fixture
def up(start: Callable[[Path], Up], data: Path) -> Iterator[Up]:
    """An installation that each test of this module continues where the one before left it."""
    running = start(data)
    yield running
    if running.process.poll() is None:
        running.end()


def test_one_line_of_json_says_where_everything_is_and_sigterm_drains(up: Up) -> None:
    assert set(up.said) == KEYS
    assert up.said["web"] == f"http://127.0.0.1:{up.base}"
    assert [
        up.said[key].rpartition(":")[2] for key in ("submission", "submissions", "inbound", "lab_smtp", "lab_web")
    ] == [str(up.base + offset) for offset in (1, 2, 3, 4, 5)]
    assert list(up.pids) == ["supervisor", "postgres", *PROCESSES]
    assert all(psutil.pid_exists(pid) for pid in up.pids.values())
    assert all(up.ready(name) for name in PROCESSES)
    family = up.family()
    assert up.end() == 0
    assert gone(family)


def test_the_second_run_continues_with_the_same_credentials(start: Callable[[Path], Up], data: Path) -> None:
    first = start(data)
    first.end()
    second = start(data)
    assert [second.said[key] for key in ("api_key", "smtp_user", "smtp_password")] == [
        first.said[key] for key in ("api_key", "smtp_user", "smtp_password")
    ]
    assert second.said["sign_in"] != first.said["sign_in"]
    second.end()


def test_every_process_that_is_killed_comes_back(up: Up) -> None:
    for name in [*PROCESSES, "postgres"]:
        os.kill(up.pids[name], signal.SIGKILL)
    was = set(up.pids.values()) - {up.process.pid}
    eventually(lambda: not was & {each.pid for each in up.family()}, "something of the old is still there")
    for name in PROCESSES:
        eventually(lambda name=name: up.ready(name), f"{name} is not ready again: {up.log.read_text()}")  # type: ignore[misc]
    assert up.end() == 0


def test_a_killed_supervisor_leaves_nothing_running_and_the_next_start_continues(
    up: Up, start: Callable[[Path], Up], data: Path
) -> None:
    family = up.family()
    up.process.kill()
    up.process.wait()
    eventually(lambda: gone(family), f"left behind: {[each for each in family if each.is_running()]}")
    assert start(data).end() == 0


def test_a_second_one_on_the_same_data_folder_is_refused(up: Up, data: Path) -> None:
    other = posthouse("up", "--data", str(data), stderr=subprocess.PIPE)
    said = other.communicate(timeout=PATIENCE_S)[1]
    assert other.returncode == 1
    assert f"process {up.process.pid} already uses the data folder" in said


def test_commands_work_beside_it(up: Up, data: Path) -> None:
    doctor = posthouse("doctor", "--json", "--data", str(data), stderr=subprocess.DEVNULL)
    findings = {
        finding["check"]: finding["verdict"] for finding in json.loads(doctor.communicate(timeout=PATIENCE_S)[0])
    }
    assert [
        findings[check] for check in ("settings", "data folder", "key", "ports", "database", "schema", "rights")
    ] == ["ok"] * 7
    assert up.ready("web")


def test_a_role_runs_alone_against_the_same_database_and_drains_on_sigterm(up: Up, data: Path) -> None:
    command = psutil.Process(up.pids["worker"])
    dsn = command.environ()["POSTHOUSE_POSTGRES_DSN"]
    port = str(up.base + 29)
    alone = posthouse(
        "run",
        "worker",
        "--metrics-port",
        port,
        "--data",
        str(data),
        environ={"POSTHOUSE_POSTGRES_DSN": dsn},
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), "the role alone is not ready")
    finally:
        alone.terminate()
        alone.communicate(timeout=PATIENCE_S)
    assert alone.returncode == 0


def test_a_database_elsewhere_is_migrated_and_then_used_with_the_least_rights(
    postgres_server: Any, tmp_path: Path
) -> None:
    name = asyncio.run(postgres_server.empty())
    environ = {"POSTHOUSE_POSTGRES_DSN": postgres_server.owner_dsn(name), "POSTHOUSE_DATA": str(tmp_path / "data")}
    said = [
        posthouse("migrate", environ=environ, stderr=subprocess.PIPE).communicate(timeout=PATIENCE_S)[0]
        for _ in range(2)
    ]
    assert said[0].startswith("applied 0001_")
    assert said[1] == "The database is up to date.\n"
    vault.ensure_kek(tmp_path / "kek")
    environ["POSTHOUSE_SERVER_KEK_FILE"] = str(tmp_path / "kek")
    doctor = posthouse("doctor", "--json", environ=environ, stderr=subprocess.DEVNULL).communicate(timeout=PATIENCE_S)[
        0
    ]
    findings = {finding["check"]: finding["detail"] for finding in json.loads(doctor)}
    assert findings["schema"] == "up to date"
    assert "posthouse_app and cannot change the schema" in findings["rights"]
    postgres_server.drop(name)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError, urllib.error.HTTPError), urllib.request.urlopen(url, timeout=5) as response:
        return bool(response.status == 200)
    return False


def test_a_taken_port_is_named_with_its_setting(tmp_path: Path) -> None:
    base = free_ports(PORTS_NEEDED).start
    port = base + 3
    with socket.create_server(("127.0.0.1", port)):
        words = ("up", "--lab", "--data", str(tmp_path / "data"), "--port-base", str(base))
        process = posthouse(*words, stderr=subprocess.PIPE)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1
    assert f"posthouse: port {port} is taken" in said
    assert "inbound.port" in said


def test_wrong_settings_are_named_one_a_line_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[web]\nprot = 1\n[nothing]\n")
    words = ("up", "--config", str(tmp_path / "p.toml"), "--data", str(tmp_path / "data"))
    process = posthouse(*words, stderr=subprocess.PIPE)
    said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 2
    assert [line.split(":")[1].strip() for line in said.splitlines()] == ["nothing", "web.prot"]
    assert not (tmp_path / "data").exists()
