"""A mail server of Debian's own software: Postfix takes the mail, OpenDKIM checks it if asked to, Dovecot keeps it, IMAP reads it back.

Its domains are `there.test` (STARTTLS, PIPELINING, SMTPUTF8) and `plain.test` (none of these); relaying is refused. Every address
of PEOPLE has a mailbox, `later@there.test` is put off, all others do not exist. Loopback and ephemeral ports only.
"""

import contextlib
import imaplib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from free_ports import free_ports

THERE, PLAIN = "there.test", "plain.test"
PEOPLE = ("bob", "anna", "later", "blåbær", "o'brien+tag")
SIZE_LIMIT = 300_000
PASSWORD = "secret"
_PATIENCE_S = 60.0

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}/log
myhostname = mx.there.test
mydestination =
local_transport = error:no local delivery
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 192.0.2.1
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unlisted_recipient, check_recipient_access texthash:{folder}/etc/put_off
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtputf8_enable = yes
message_size_limit = {size_limit}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/etc/cert.pem
smtpd_tls_key_file = {folder}/etc/key.pem
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
virtual_mailbox_domains = there.test plain.test
virtual_mailbox_maps = texthash:{folder}/etc/people
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
"""
_SERVICES = """\
127.0.0.1:{there} inet n - n - - smtpd
127.0.0.1:{plain} inet n - n - - smtpd
  -o smtputf8_enable=no -o smtpd_tls_security_level=none -o smtpd_discard_ehlo_keywords=pipelining
"""
_OPENDKIM_CONF = """\
Mode v
Syslog no
Background no
Socket local:{folder}/dkim/socket
UserID opendkim
UMask 000
TestPublicKeys {folder}/dkim/zone
AuthservID mx.there.test
AlwaysAddARHeader yes
On-Default accept
"""
_MILTER = """\
smtpd_milters = unix:{folder}/dkim/socket
milter_default_action = tempfail
"""
_DOVECOT_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log/dovecot
instance_name = {folder}
listen = 127.0.0.1
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@there.test
}}
"""


@dataclass(frozen=True)
class MailServer:
    """A running Postfix and Dovecot. `there` and `plain` are the SMTP ports of the domains of these names."""

    folder: Path
    there: int
    plain: int
    imap: int

    @property
    def routes(self) -> dict[str, str]:
        """Where the product finds each domain; all others go to `there` too."""
        return {"*": f"127.0.0.1:{self.there}", PLAIN: f"127.0.0.1:{self.plain}"}

    @property
    def log(self) -> str:
        """What Postfix logged."""
        return (self.folder / "log" / "maillog").read_text()

    def mails(self, address: str, at_least: int = 1) -> list[bytes]:
        """Everything in a mailbox, as IMAP gives it, once so many are there; the mailbox is empty afterwards."""
        end = time.monotonic() + _PATIENCE_S
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=_PATIENCE_S) as client:
            client.authenticate("PLAIN", lambda _: b"\0" + address.encode() + b"\0" + PASSWORD.encode())
            while int((client.select()[1][0] or b"0").decode()) < at_least:
                assert time.monotonic() < end, f"no mail for {address}: {self.log[-2000:]}"
                time.sleep(0.05)
            _, parts = client.fetch("1:*", "(BODY.PEEK[])")
            found = [part[1] for part in parts if isinstance(part, tuple)]
            client.store("1:*", "+FLAGS", r"\Deleted")
            client.expunge()
        return found


@contextlib.contextmanager
def running(zone: Mapping[str, str] | None = None) -> Iterator[MailServer]:
    """The servers, from nothing to swept away. Needs root, as Postfix does.

    With a `zone`, TXT values by name, OpenDKIM looks keys up in it and puts an Authentication-Results field on top of every mail.
    """
    assert os.geteuid() == 0, "Postfix is started as root"
    folder = Path(tempfile.mkdtemp(prefix="posthouse-mx-"))
    there, plain, imap, lmtp = free_ports(4)
    try:
        _prepare(folder, there=there, plain=plain, imap=imap, lmtp=lmtp)
        with _opendkim(folder, zone), _dovecot(folder), _postfix(folder):
            for port in (there, plain, imap, lmtp):
                _await_port(port, folder)
            yield MailServer(folder, there, plain, imap)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, **ports: int) -> None:
    folder.chmod(0o755)
    for name in ("etc", "log", "spool", "data", "run", "mail"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    shutil.chown(folder / "mail", "mail", "mail")
    etc, places = folder / "etc", {"folder": folder, "size_limit": SIZE_LIMIT, "password": PASSWORD, **ports}
    (etc / "main.cf").write_text(_MAIN_CF.format(**places))
    (etc / "master.cf").write_text(_master_cf() + _SERVICES.format(**places))
    (etc / "dovecot.conf").write_text(_DOVECOT_CONF.format(**places))
    addresses = [f"{person}@{domain}" for person in PEOPLE for domain in (THERE, PLAIN)]
    (etc / "people").write_text("".join(f"{address} here\n" for address in addresses))
    (etc / "put_off").write_text(f"later@{THERE} defer Come back later\n")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mx.there.test", "-days", "2",
         "-keyout", etc / "key.pem", "-out", etc / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def _master_cf() -> str:
    """Debian's services without its port 25, without what delivers elsewhere, and without chroot."""
    services = []
    for line in Path("/etc/postfix/master.cf.proto").read_text().splitlines():
        fields = line.split()
        if line.startswith(("#", " ")) or len(fields) < 8 or fields[1] == "inet" or fields[7] == "pipe":
            continue
        fields[4] = "n"
        services.append(" ".join(fields))
    return "\n".join(services) + "\n"


@contextlib.contextmanager
def _opendkim(folder: Path, zone: Mapping[str, str] | None) -> Iterator[None]:
    if zone is None:
        yield
        return
    home = folder / "dkim"
    home.mkdir()
    shutil.chown(home, "opendkim")
    (home / "zone").write_text("".join(f"{name} {value}\n" for name, value in zone.items()))
    (home / "conf").write_text(_OPENDKIM_CONF.format(folder=folder))
    with (folder / "etc" / "main.cf").open("a") as main_cf:
        main_cf.write(_MILTER.format(folder=folder))
    with _program(folder / "log" / "opendkim", "opendkim", "-f", "-x", str(home / "conf")):
        end = time.monotonic() + _PATIENCE_S
        while not (home / "socket").exists():
            assert time.monotonic() < end, (folder / "log" / "opendkim").read_text()
            time.sleep(0.05)
        yield


@contextlib.contextmanager
def _dovecot(folder: Path) -> Iterator[None]:
    with _program(folder / "log" / "dovecot-start", "dovecot", "-F", "-c", str(folder / "etc" / "dovecot.conf")):
        yield


@contextlib.contextmanager
def _program(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    finally:
        program.terminate()
        program.wait(_PATIENCE_S)


@contextlib.contextmanager
def _postfix(folder: Path) -> Iterator[None]:
    subprocess.run(["postfix", "-c", folder / "etc", "start"], check=True, capture_output=True, timeout=60)
    try:
        yield
    finally:
        pid = int((folder / "spool" / "pid" / "master.pid").read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        _await_end(pid)


def _await_end(pid: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end, f"process {pid} does not end"
        time.sleep(0.05)


def _await_port(port: int, folder: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            logs = "\n".join(path.read_text(errors="replace")[-1500:] for path in (folder / "log").iterdir())
            assert time.monotonic() < end, f"port {port} does not open: {logs}"
            time.sleep(0.05)
        else:
            return
