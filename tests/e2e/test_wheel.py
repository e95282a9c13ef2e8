"""What is shipped: the wheel, installed apart from the repository, has everything and runs in an empty directory, as root and not."""

import contextlib
import json
import os
import pwd
import re
import select
import shutil
import signal
import smtplib
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.e2e.product import PORTS, START_S, STOP_S

from free_ports import free_ports

REPOSITORY = Path(__file__).parents[2]
KINDS = {".py", ".sql", ".toml", ".html", ".css", ".js", ".svg", ".po", ".txt", ".typed"}
NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel, and the environment it was installed into."""

    wheel: Path
    venv: Path

    @property
    def python(self) -> str:
        return str(self.venv / "bin/python")

    @property
    def command(self) -> str:
        return str(self.venv / "bin/posthouse")


@dataclass(slots=True)
class Person:
    """Who runs it: a command that becomes that user, with an empty working directory and home."""

    becoming: list[str]
    cwd: Path
    home: Path
    arguments: list[str] = field(default_factory=list)

    def start(self, command: str, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "POSTHOUSE_PROCESSES_TRANSACTIONAL": "1"}
        words = [*self.becoming, command, *arguments]
        return subprocess.Popen(
            words, cwd=self.cwd, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **options
        )

    def says(self, command: str, *arguments: str) -> str:
        with self.start(command, *arguments) as process:
            said, _ = process.communicate(timeout=START_S)
        return said.strip()


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder other users can enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-wheel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def installed(shared: Path) -> Installed:
    """Built and installed without a network; the dependencies are those of this environment, the repository is not."""
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(shared))
    (wheel,) = shared.glob("*.whl")
    made = Installed(wheel, shared / "venv")
    _run(sys.executable, "-m", "venv", "--without-pip", str(made.venv))
    _run(sys.executable, "-m", "pip", "--python", made.python, "--quiet", "--disable-pip-version-check",
         "install", "--no-index", "--no-deps", str(wheel))  # fmt: skip
    (site_packages,) = made.venv.glob("lib/python*/site-packages")
    # The editable install next to the dependencies has a .pth file of its own, which is only read in a site directory.
    (site_packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return made


def _run(*command: str) -> None:
    subprocess.run(command, cwd=REPOSITORY, check=True, timeout=100)


@pytest.fixture
def as_root(shared: Path) -> Person:
    if os.geteuid() != 0:
        pytest.skip("not root")
    home = _empty(shared / "root")
    return Person([], _empty(home / "cwd"), _empty(home / "home"), ["--data", str(home / "data")])


@pytest.fixture
def as_ordinary_user(shared: Path, installed: Installed) -> Person:
    """`nobody`; where this interpreter is in a folder only root may enter, a user of a namespace of its own."""
    home = _empty(shared / "ordinary")
    person = Person([], _empty(home / "cwd"), _empty(home / "home"))
    if os.geteuid() != 0:
        return person
    nobody = pwd.getpwnam("nobody")
    person.becoming = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    if person.says(installed.python, "-c", "import sys; print(sys.base_prefix)") == sys.base_prefix:
        for folder in (person.cwd, person.home):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    else:
        person.becoming = NAMESPACE
    assert person.says(installed.python, "-c", "import os; print(os.geteuid() > 0)") == "True"
    return person


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_every_file_of_the_package_is_in_the_wheel(installed: Installed) -> None:
    package = REPOSITORY / "src/posthouse"
    files = {path.relative_to(package.parent) for path in package.rglob("*") if path.is_file()}
    wanted = {str(path) for path in files if "__pycache__" not in path.parts}
    with zipfile.ZipFile(installed.wheel) as wheel:
        packed = {name for name in wheel.namelist() if name.startswith("posthouse/")}
    assert packed == wanted
    assert {Path(name).suffix for name in packed} == KINDS


def test_it_runs_as_root_in_an_empty_directory(installed: Installed, as_root: Person) -> None:
    _lives(installed, as_root)


def test_it_runs_as_an_ordinary_user_in_an_empty_directory(installed: Installed, as_ordinary_user: Person) -> None:
    _lives(installed, as_ordinary_user)
    assert (as_ordinary_user.home / ".local/share/posthouse").is_dir()


def _lives(installed: Installed, person: Person) -> None:
    """From `up` to drained, with a mail by each door and a page."""
    origin = person.says(installed.python, "-c", "import posthouse; print(posthouse.__file__)")
    assert Path(origin).is_relative_to(installed.venv)
    with _up(installed, person) as (process, said):
        family = psutil.Process(process.pid).children(recursive=True)
        assert sum(str(installed.venv) in child.cmdline()[0] for child in family) >= 6
        _send_by_smtp(said)
        _send_by_api(said)
        _read_in_the_lab(said)
        _look_at_pages(said)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
        assert psutil.wait_procs(family, timeout=5)[1] == []
    assert list(person.cwd.iterdir()) == []


@contextlib.contextmanager
def _up(installed: Installed, person: Person) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    log = installed.venv.parent / f"{person.cwd.parent.name}.log"
    words = ("up", "--lab", "--json", "--port-base", str(free_ports(PORTS).start), *person.arguments)
    with log.open("w") as stderr, person.start(installed.command, *words, stderr=stderr) as process:
        try:
            assert process.stdout is not None
            spoke, _, _ = select.select([process.stdout], [], [], START_S)
            line = process.stdout.readline() if spoke else ""
            assert line, log.read_text()[-3000:]
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(STOP_S)


def _send_by_smtp(said: dict[str, Any]) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "you@example.com", "anna@lab.test", "By SMTP"
    mail.set_content("Hello")
    host, _, port = said["submission"].rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=20) as client:
        client.login(said["smtp_user"], said["smtp_password"])
        client.send_message(mail)


def _send_by_api(said: dict[str, Any]) -> None:
    mail = {"from": "you@example.com", "to": ["anna@lab.test"], "subject": "By API", "text": "Hello"}
    headers = {"authorization": f"Bearer {said['api_key']}"}
    answer = httpx.post(f"{said['web']}/v1/messages", json=mail, headers=headers, trust_env=False, timeout=20)
    assert answer.status_code == 202


def _read_in_the_lab(said: dict[str, Any]) -> None:
    def both_are_there() -> bool:
        found = _get(f"{said['lab_web']}/api/messages").json()["messages"]
        return {each["subject"] for each in found} == {"By SMTP", "By API"}

    _eventually(both_are_there)
    assert "By API" in _get(said["lab_web"]).text


def _look_at_pages(said: dict[str, Any]) -> None:
    page = _get(f"{said['web']}/sign-in").text
    assets = set(re.findall(r'"(/static/[^"#]+)', page))
    assert {Path(path.partition("?")[0]).suffix for path in assets} >= {".css", ".js", ".svg"}
    for path in assets:
        assert _get(said["web"] + path).content
    assert "Log ind" in _get(f"{said['web']}/sign-in", **{"accept-language": "da"}).text
    assert _get(f"{said['web']}/docs").text
    assert _get(said["sign_in"]).text


def _get(url: str, **headers: str) -> httpx.Response:
    answer = httpx.get(url, headers=headers, trust_env=False, timeout=20)
    assert answer.status_code == 200, url
    return answer


def _eventually(check: Callable[[], bool]) -> None:
    end = time.monotonic() + START_S
    while not check():
        assert time.monotonic() < end
        time.sleep(0.1)
