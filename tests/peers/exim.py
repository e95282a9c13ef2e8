"""An Exim of Debian's, unpacked by tests/packages.sh: it takes mail first and reports later, or refuses at once.

At `lenient` it takes everything and finds out afterwards; what it cannot deliver goes back to the sender, by way of our port 25. At
`strict` it looks before it takes. At both, `exim.test` is its own domain, where Anna has a mailbox; mail for `inner.test` goes on to
itself, at a port where it refuses. Loopback only.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from free_ports import free_ports

EXIM = Path("/var/cache/posthouse-tests/exim/usr/sbin/exim4")
ACCOUNT = "Debian-exim"
_PATIENCE_S = 60.0

_CONFIG = """\
exim_path = {exim}
primary_hostname = exim.test
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
local_interfaces = 127.0.0.1
daemon_smtp_ports = {lenient} : {strict} : {inner}
domainlist local_domains = exim.test
deliver_drop_privilege = true
disable_ipv6 = true
host_lookup =
tls_advertise_hosts =
keep_environment =
delay_warning = 1s
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  accept condition = ${{if eq{{$received_port}}{{{lenient}}}}}
  deny local_parts = nobody
       condition = ${{if eq{{$received_port}}{{{inner}}}}}
       message = 5.1.1 <$local_part@$domain>: Recipient address rejected: User unknown in virtual mailbox table
  deny local_parts = policy
       condition = ${{if eq{{$received_port}}{{{inner}}}}}
       message = 5.7.1 Message rejected due to local policy
  defer local_parts = slow : greylisted
       message = Greylisted, please try again later
  deny local_parts = listed
       message = Rejected because $sender_host_address is in a black list at zen.spamhaus.org
  deny local_parts = prohibited
  deny domains = !+local_domains
       message = relay not permitted
  require verify = recipient
  accept
data:
  deny condition = ${{if and{{{{eq{{$received_port}}{{{strict}}}}}{{match{{$h_subject:}}{{viagra}}}}}}}}
       message = This message scored 12.3 spam points.
  accept
begin routers
back:
  driver = manualroute
  domains = bounces.mail.test
  route_list = * 127.0.0.1::{returns}
  self = send
  transport = smtp
onwards:
  driver = manualroute
  domains = inner.test
  route_list = * 127.0.0.1::{inner}
  self = send
  transport = smtp
closed:
  driver = redirect
  local_parts = closed
  data = :fail: This account was closed by the administrator
  allow_fail
full:
  driver = accept
  local_parts = full
  transport = full
anna:
  driver = accept
  domains = +local_domains
  local_parts = anna
  transport = mailbox
begin transports
smtp:
  driver = smtp
  allow_localhost
  hosts_avoid_tls = *
mailbox:
  driver = appendfile
  file = {folder}/mail/anna
  user = {account}
full:
  driver = appendfile
  maildir_format
  directory = {folder}/mail/full
  quota = 10
  user = {account}
begin retry
slow@inner.test * F,1h,1s
* * F,1s,1s
"""


@dataclass(frozen=True)
class Exim:
    """A running Exim and its ports."""

    folder: Path
    lenient: int
    strict: int
    returns: int

    @property
    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log" / "mainlog").read_text()


def missing() -> str:
    """Why it cannot be started here; empty when it can."""
    if os.geteuid() != 0:
        return "Exim is started as root"
    if not os.access(EXIM, os.X_OK):
        return f"there is no {EXIM}: tests/packages.sh could not download it"
    return "" if any(each.pw_name == ACCOUNT for each in pwd.getpwall()) else f"there is no account {ACCOUNT}"


@contextlib.contextmanager
def running(returns: int) -> Iterator[Exim]:
    """From nothing to swept away; bounces go to port `returns`."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-exim-"))
    lenient, strict, inner = free_ports(3)
    try:
        folder.chmod(0o755)
        for name in ("spool", "log", "mail"):
            (folder / name).mkdir()
            shutil.chown(folder / name, ACCOUNT, ACCOUNT)
        ports = {"lenient": lenient, "strict": strict, "inner": inner, "returns": returns}
        (folder / "conf").write_text(_CONFIG.format(folder=folder, exim=EXIM, account=ACCOUNT, **ports))
        with _daemon(folder):
            for port in (lenient, strict, inner):
                _await_port(port, folder)
            yield Exim(folder, lenient, strict, returns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _daemon(folder: Path) -> Iterator[None]:
    """In the foreground, looking at its queue every second."""
    command = [EXIM, "-C", str(folder / "conf"), "-bdf", "-q1s"]
    with (folder / "said").open("wb") as output:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    finally:
        program.terminate()
        program.wait(_PATIENCE_S)


def _await_port(port: int, folder: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            assert time.monotonic() < end, (folder / "said").read_text()
            time.sleep(0.05)
        else:
            return
