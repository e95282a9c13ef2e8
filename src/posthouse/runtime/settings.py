"""Settings: frozen structs, every field documented where it is declared.

`settings_source` fills them from one TOML file under the POSTHOUSE_... environment. A process never reads the environment
itself; it is handed a Settings. The text in each field's Meta is what `posthouse config sample` prints.
"""

import base64
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta, Struct

from posthouse.model import limits
from posthouse.model.words import Pool

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=64)]
Positive: TypeAlias = Annotated[int, Meta(gt=0)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
Percent: TypeAlias = Annotated[float, Meta(gt=0, le=100)]


def default_data_dir() -> Path:
    """Where the data is when nobody says: $POSTHOUSE_DATA, /var/lib/posthouse for root, the XDG data folder for others."""
    if given := os.environ.get("POSTHOUSE_DATA"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/posthouse")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base) / "posthouse"


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """This installation."""

    hostname: Annotated[
        str,
        Meta(
            description="Name this server says in EHLO and Received; must have an address and a PTR record that agree."
        ),
    ] = msgspec.field(default_factory=lambda: os.uname().nodename)
    data_dir: Annotated[
        Path,
        Meta(
            description="Folder of everything kept: embedded PostgreSQL, keys. Default: $POSTHOUSE_DATA, else see README."
        ),
    ] = msgspec.field(default_factory=default_data_dir)
    kek: Annotated[
        str,
        Meta(
            description="Key-encryption key, 32 octets in base64. Empty: read kek_file. Best given by the environment."
        ),
    ] = ""
    kek_file: Annotated[
        Path | None,
        Meta(
            description="File with the key-encryption key in base64. Empty: `kek` in data_dir, made at the first start."
        ),
    ] = None
    kek_retired: Annotated[
        tuple[Path, ...],
        Meta(description="Files with former key-encryption keys: still opened, never used for new data."),
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least important event that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Meta(description="Form of log lines; auto is console on a terminal, else JSON."),
    ] = "auto"


class Postgres(Struct, frozen=True, forbid_unknown_fields=True):
    """The database."""

    dsn: Annotated[
        str,
        Meta(
            description="postgresql://user:password@host/database of PostgreSQL 15 or later. Empty: the embedded server."
        ),
    ] = ""
    pool_size: Annotated[int, Meta(ge=2, le=1000, description="Most connections of one process.")] = 10
    port: Annotated[
        Port, Meta(description="TCP port of the embedded server on 127.0.0.1. 0: only its Unix socket.")
    ] = 0


class Web(Struct, frozen=True, forbid_unknown_fields=True):
    """Pages and API."""

    host: Annotated[
        str, Meta(description="Address to listen on; * is every one. Put a TLS proxy in front of a public one.")
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port of pages and API.")] = 8080
    public_url: Annotated[
        str,
        Meta(description="Address people and programs use, as in https://mail.example.com. Empty: http://HOST:PORT."),
    ] = ""
    other_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Further host names that pages and API answer to, beside that of public_url, server.hostname, IP addresses and"
            " names without a dot. They matter where public_url begins with https://: any other name is taken for a link host of a"
            " customer, where only links of mails are answered."
        ),
    ] = ()
    proxies: Annotated[
        tuple[str, ...],
        Meta(
            description='Networks of TLS proxies on other hosts, as in "10.1.0.0/16", that may ask for whom to get certificates'
            " (/tls/ask, docs/tls.md). Those on this host always may."
        ),
    ] = ()


class Submission(Struct, frozen=True, forbid_unknown_fields=True):
    """SMTP for our own senders (RFC 6409)."""

    host: Annotated[str, Meta(description="Address to listen on; * is every one, IPv4 and IPv6.")] = "*"
    port: Annotated[Port, Meta(description="Port with STARTTLS.")] = 587
    tls_port: Annotated[Port, Meta(description="Port with TLS from the first octet (RFC 8314).")] = 465
    tls_cert: Annotated[
        Path | None, Meta(description="PEM certificate with its chain. Empty: self-signed, kept in data_dir.")
    ] = None
    tls_key: Annotated[Path | None, Meta(description="PEM private key of tls_cert.")] = None
    max_size: Annotated[Positive, Meta(description="Largest message in octets.")] = limits.MESSAGE_OCTETS
    connections: Annotated[Positive, Meta(description="Most connections at a time of one process.")] = 1000
    auth_without_tls: Annotated[bool, Meta(description="Let passwords travel in the clear. Only for the lab.")] = False


class Inbound(Struct, frozen=True, forbid_unknown_fields=True):
    """SMTP for bounces, complaints and unsubscribe requests from the world."""

    host: Annotated[str, Meta(description="Address to listen on; * is every one, IPv4 and IPv6.")] = "*"
    port: Annotated[Port, Meta(description="Port; the world only knows 25.")] = 25
    max_size: Annotated[Positive, Meta(description="Largest message in octets.")] = 10_485_760
    connections: Annotated[Positive, Meta(description="Most connections at a time of one process.")] = 200


class Intake(Struct, frozen=True, forbid_unknown_fields=True):
    """What every mail passes on its way in, whichever door it takes."""

    malware_scanner: Annotated[
        str,
        Meta(
            description='clamd that looks at every mail: "host:port" or "unix:/path". Its StreamMaxLength and MaxScanSize must hold'
            " the largest mail. While it cannot be asked nothing is accepted. Empty: none."
        ),
    ] = ""


class Mail(Struct, frozen=True, forbid_unknown_fields=True):
    """What every mail carries."""

    bounce_domain: Annotated[
        str, Meta(description="Domain of return paths; its MX is this server. Empty: bounces. and the hostname.")
    ] = ""
    return_target: Annotated[
        str,
        Meta(
            description="Name that bounce domains of customers are an alias of; its MX is this server. Empty: returnto. and the hostname."
        ),
    ] = ""
    support_contact: Annotated[str, Meta(description="Address or page shown to people who need a hand.")] = ""


class Delivery(Struct, frozen=True, forbid_unknown_fields=True):
    """Mail to the world: what holds for every pool that says nothing else."""

    concurrency: Annotated[Positive, Meta(description="Most connections of a process, a fifth for new receivers.")] = (
        500
    )
    connections_per_site: Annotated[Positive, Meta(description="Most connections to one receiver.")] = 10
    mails_per_connection: Annotated[Positive, Meta(description="Mails on one connection before a new one is made.")] = (
        100
    )
    shared_pool: Annotated[
        bool,
        Meta(
            description="Send every class by the transactional pool, strictly by priority. Mail queued elsewhere moves there."
        ),
    ] = False
    shaping_file: Annotated[
        Path | None,
        Meta(
            description="TOML file with limits for receivers, laid over the ones shipped; read again when it changes."
        ),
    ] = None
    routes: Annotated[
        dict[str, str],
        Meta(description='Fixed next hops: a domain or "*" to "host:port", a smart host or a sink. Others go by MX.'),
    ] = {}
    sign_together: Annotated[
        bool, Meta(description="Make eight signatures at once where the processor can (AVX-512 IFMA).")
    ] = True
    retry_first_s: Annotated[Seconds, Meta(description="Wait after the first temporary failure.")] = 120.0
    retry_factor: Annotated[float, Meta(ge=1, description="Each further wait is this much longer.")] = 2.0
    retry_cap_s: Annotated[Seconds, Meta(description="Longest wait between two attempts.")] = 14_400.0
    lifetime_s: Annotated[Seconds, Meta(description="Delivery is tried this long unless the message says less.")] = (
        float(limits.MESSAGE_LIFETIME_S)
    )
    sources: Annotated[
        tuple[str, ...],
        Meta(
            description='Local addresses mail leaves from, each "ip" or "ip name" with the name it says in EHLO. Empty: the system\'s choice.'
        ),
    ] = ()
    tls: Annotated[
        Literal["opportunistic", "required", "off"],
        Meta(description="opportunistic encrypts where offered; required delivers nothing in the clear."),
    ] = "opportunistic"
    allow_private_mx: Annotated[
        bool, Meta(description="Deliver to loopback and private addresses found in DNS. Only where DNS is trusted.")
    ] = False
    resolvers: Annotated[
        tuple[str, ...],
        Meta(
            description='DNS servers, "ip" or "ip:port", believed about DNSSEC. Empty: those of /etc/resolv.conf, believed if on loopback.'
        ),
    ] = ()


class PoolLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one pool does differently. 0 and empty mean: as in [delivery]."""

    concurrency: Annotated[int, Meta(ge=0, description="Most connections to other servers of one process.")] = 0
    connections_per_site: Annotated[int, Meta(ge=0, description="Most connections to one receiver.")] = 0
    mails_per_connection: Annotated[
        int, Meta(ge=0, description="Mails on one connection before a new one is made.")
    ] = 0
    mails_per_second: Annotated[float, Meta(ge=0, description="Most mails a second to one receiver. 0: no limit.")] = (
        0.0
    )
    retry_first_s: Annotated[float, Meta(ge=0, description="Wait after the first temporary failure.")] = 0.0
    retry_factor: Annotated[float, Meta(ge=0, description="Each further wait is this much longer.")] = 0.0
    retry_cap_s: Annotated[float, Meta(ge=0, description="Longest wait between two attempts.")] = 0.0
    lifetime_s: Annotated[
        float, Meta(ge=0, description="Delivery is tried this long unless the message says less.")
    ] = 0.0
    sources: Annotated[
        tuple[str, ...],
        Meta(description='Local addresses mail leaves from, each "ip" or "ip name" with the name it says in EHLO.'),
    ] = ()
    helo: Annotated[str, Meta(description="Name it says in EHLO where its source has none. Empty: the hostname.")] = ""
    selectors: Annotated[
        tuple[str, ...],
        Meta(
            description="DKIM selectors of this pool alone; -ed at the end names an Ed25519 key. Keys are made when a domain is added or"
            " verified, and sign once they are published. Empty: those every pool signs with."
        ),
    ] = ()
    bounce_warn_percent: Annotated[
        float, Meta(ge=0, le=100, description="As in [breakers], for this pool. 0: as there.")
    ] = 0.0
    bounce_pause_percent: Annotated[
        float, Meta(ge=0, le=100, description="As in [breakers], for this pool. 0: as there.")
    ] = 0.0
    complaint_warn_percent: Annotated[
        float, Meta(ge=0, le=100, description="As in [breakers], for this pool. 0: as there.")
    ] = 0.0
    complaint_pause_percent: Annotated[
        float, Meta(ge=0, le=100, description="As in [breakers], for this pool. 0: as there.")
    ] = 0.0


class Transactional(PoolLimits, frozen=True, forbid_unknown_fields=True):
    """The pool of person-to-person and transactional mail. 0 and empty mean: as in [delivery]."""


class Notification(PoolLimits, frozen=True, forbid_unknown_fields=True):
    """The pool of notifications, between the two others. 0 and empty mean: as in [delivery]."""


class Marketing(PoolLimits, frozen=True, forbid_unknown_fields=True):
    """The pool of marketing mail. 0 and empty mean: as in [delivery]."""


class Breakers(Struct, frozen=True, forbid_unknown_fields=True):
    """When mail is paused because too much of it bounces or is complained about, within 24 hours. Rates are percent."""

    min_sends: Annotated[Positive, Meta(description="Fewest mails within 24 hours that say anything.")] = 200
    bounce_warn_percent: Annotated[
        Percent, Meta(description="Hard bounces, of mails sent: from here on administrators are told.")
    ] = 2.0
    bounce_pause_percent: Annotated[
        Percent, Meta(description="Hard bounces, of mails sent: from here on the mail is paused until it is resumed.")
    ] = 5.0
    complaint_warn_percent: Annotated[
        Percent, Meta(description="Complaints, of mails delivered: from here on administrators are told.")
    ] = 0.1
    complaint_pause_percent: Annotated[
        Percent,
        Meta(description="Complaints, of mails delivered: from here on the mail is paused until it is resumed."),
    ] = 0.3
    gmail_warn_percent: Annotated[Percent, Meta(description="Complaints about marketing at Gmail: told.")] = 0.08
    gmail_pause_percent: Annotated[Percent, Meta(description="Complaints about marketing at Gmail: paused.")] = 0.25
    yahoo_warn_percent: Annotated[Percent, Meta(description="Complaints about marketing at Yahoo: told.")] = 0.1
    yahoo_pause_percent: Annotated[Percent, Meta(description="Complaints about marketing at Yahoo: paused.")] = 0.3
    pause_transactional: Annotated[
        bool,
        Meta(
            description="Pause the transactional pool, too. Else its administrators are told, and resets and receipts go on."
        ),
    ] = False


_Zone = Annotated[str, Meta(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$", max_length=200)]


class BlockLists(Struct, frozen=True, forbid_unknown_fields=True):
    """Lists in the DNS of addresses that many receivers take no mail from, where ours are looked up every hour, and of domains, for links."""

    zones: Annotated[
        tuple[_Zone, ...],
        Meta(
            max_length=limits.BLOCK_LISTS,
            description="The lists that are asked. Most answer only a resolver of your own, not a public one, and some want to know its"
            " address first (b.barracudacentral.org); large senders have to buy access. Empty: none.",
        ),
    ] = ("zen.spamhaus.org", "bl.spamcop.net")
    link_zones: Annotated[
        tuple[_Zone, ...],
        Meta(
            max_length=limits.BLOCK_LISTS,
            description="The lists of domains that a dry run asks about the links of a mail; they learn the names of the hosts, nothing"
            " else. What holds for zones holds for them: a resolver of your own, and large senders buy access (a zone with the key in it"
            " is named without it). The lab asks none. Empty: none.",
        ),
    ] = ("dbl.spamhaus.org", "multi.surbl.org", "multi.uribl.com")
    action: Annotated[
        Literal["pause", "warn"],
        Meta(
            description="pause takes a listed address out of use, and suspends a pool that has no other; warn only raises an alert."
        ),
    ] = "pause"


class Webhooks(Struct, frozen=True, forbid_unknown_fields=True):
    """Telling programs elsewhere what has happened."""

    allowed_networks: Annotated[
        tuple[str, ...],
        Meta(
            description='Networks that webhooks may reach beside the public internet, as in "10.1.0.0/16"; there also by http. Every'
            " admin of a workspace can then post to any port in them. Empty: none."
        ),
    ] = ()


class Processes(Struct, frozen=True, forbid_unknown_fields=True):
    """How many processes `posthouse up` runs of each role."""

    web: Annotated[Count, Meta(description="Pages and API.")] = 1
    submission: Annotated[Count, Meta(description="SMTP from our own senders.")] = 1
    inbound: Annotated[Count, Meta(description="SMTP from the world.")] = 1
    transactional: Annotated[
        Count, Meta(description="Transactional mail to the world. 0: one for each core, at most 4.")
    ] = 0
    notification: Annotated[Count, Meta(description="Notifications to the world.")] = 1
    marketing: Annotated[Count, Meta(description="Marketing mail to the world.")] = 1
    delivery: Annotated[Count, Meta(description="Mail of all three pools in one process, for small machines.")] = 0
    worker: Annotated[Count, Meta(description="Housekeeping.")] = 1
    webhooks: Annotated[Count, Meta(description="Webhooks to programs elsewhere.")] = 1
    lab: Annotated[Count, Meta(description="The lab, when it is enabled.")] = 1


class MetricsPort(Struct, frozen=True, forbid_unknown_fields=True):
    """/healthz, /readyz and Prometheus /metrics of each process."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="First port; each further process has the next one. 0: none.")] = 9600


class Lab(Struct, frozen=True, forbid_unknown_fields=True):
    """A recipient world for trying and testing; `posthouse up --lab` enables it."""

    enabled: Annotated[bool, Meta(description="Run the lab and deliver every domain without a route to it.")] = False
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    smtp_port: Annotated[Port, Meta(description="Port of the lab's MX.")] = 8604
    web_port: Annotated[Port, Meta(description="Port of the lab's web mailbox.")] = 8605
    broken_tls_port: Annotated[Port, Meta(description="Port of the lab's MX that offers STARTTLS and breaks it.")] = (
        8606
    )


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything an operator can choose, by section."""

    server: Server = msgspec.field(default_factory=Server)
    postgres: Postgres = Postgres()
    web: Web = Web()
    submission: Submission = Submission()
    inbound: Inbound = Inbound()
    intake: Intake = Intake()
    mail: Mail = Mail()
    delivery: Delivery = Delivery()
    transactional: Transactional = Transactional()
    notification: Notification = Notification()
    marketing: Marketing = Marketing()
    breakers: Breakers = Breakers()
    block_lists: BlockLists = BlockLists()
    webhooks: Webhooks = Webhooks()
    processes: Processes = Processes()
    metrics: MetricsPort = MetricsPort()
    lab: Lab = Lab()

    def with_(self, section: str, **fields: Any) -> "Settings":  # noqa: ANN401 - checked below
        """A copy with some fields of a section replaced; a value out of range raises msgspec.ValidationError."""
        changed = {**msgspec.structs.asdict(getattr(self, section)), **fields}
        kind = type(getattr(self, section))
        checked = msgspec.convert(changed, kind, dec_hook=lambda wanted, value: wanted(value), builtin_types=())
        return msgspec.structs.replace(self, **{section: checked})

    def pool(self, pool: Pool) -> PoolLimits:
        """What holds for one pool: its own, else that of [delivery]."""
        own: PoolLimits = getattr(self, pool)
        names = [field.name for field in msgspec.structs.fields(own) if hasattr(self.delivery, field.name)]
        common = {name: getattr(self.delivery, name) for name in names if not getattr(own, name)}
        return msgspec.structs.replace(own, **common, helo=own.helo or self.server.hostname)

    def breakers_of(self, pool: Pool) -> Breakers:
        """When mail of one pool is paused: its own rates, else those of [breakers]."""
        own: PoolLimits = getattr(self, pool)
        names = [field.name for field in msgspec.structs.fields(self.breakers) if getattr(own, field.name, None)]
        return msgspec.structs.replace(self.breakers, **{name: getattr(own, name) for name in names})

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.server.data_dir

    @property
    def kek_path(self) -> Path:
        """The file of the key-encryption key."""
        return self.server.kek_file or self.data / "kek"

    @property
    def kek(self) -> bytes | None:
        """The key-encryption key when the settings themselves carry it, 32 octets."""
        return base64.b64decode(self.server.kek, validate=True) if self.server.kek else None

    @property
    def bounce_domain(self) -> str:
        """The domain of return paths."""
        return self.mail.bounce_domain or f"bounces.{self.server.hostname}"

    @property
    def return_target(self) -> str:
        """What customers' own bounce domains are an alias of."""
        return self.mail.return_target or f"returnto.{self.server.hostname}"

    @property
    def link_target(self) -> str:
        """What customers' own link hosts are an alias of: the host of the public address.

        "" where there is none, or one that a customer's name could not take the place of: without HTTPS at its usual port, or a number.
        """
        address = _split(self.web.public_url)
        host = (address.hostname or "").rstrip(".") if address else ""
        usual = address is not None and address.scheme == "https" and address.port in {None, 443}
        return (
            host
            if usual and host.isascii() and "." in host and ":" not in host and not host.rpartition(".")[2].isdecimal()
            else ""
        )

    @property
    def public_url(self) -> str:
        """How people reach the web pages; no slash at the end."""
        return self.web.public_url.rstrip("/") or f"http://{connectable(self.web.host)}:{self.web.port}"


def connectable(host: str) -> str:
    """An address one can dial for a listener's address."""
    return "127.0.0.1" if host in {"*", "0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound


def _split(url: str) -> SplitResult | None:
    """The parts of a URL with a readable port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def stream_address(text: str) -> Path | tuple[str, int]:
    """The socket that "unix:/path", "host:port" or "[v6]:port" names. ValueError when it names none."""
    if text.startswith("unix:/"):
        return Path(text.removeprefix("unix:"))
    host, _, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not host or host.startswith("unix:") or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is neither host:port nor unix:/path")
    return host, int(port)
