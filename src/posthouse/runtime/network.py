"""Listening sockets and the server's side of TLS."""

import contextlib
import datetime
import errno
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posthouse.runtime.settings import Settings

_BACKLOG: Final = 1024
_MX_PORT: Final = 25
_TREE_V4: Final = Path("/proc/net/fib_trie")
_TABLE_V6: Final = Path("/proc/net/if_inet6")
_LOCAL_V4: Final = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL")
_SELF_SIGNED_DAYS: Final = 3650


class PortError(Exception):
    """A port that cannot be listened on; the text names port and setting and says what to do."""


def bind(host: str, port: int, setting: str, *, shared: bool = True) -> socket.socket:
    """A listening socket. `host` "*" is every address, IPv4 and IPv6; port 0 any free one. Raises PortError.

    `setting` names where the port was chosen. Several processes may share a port (SO_REUSEPORT); with `shared` false the port
    must be free of anybody, which is how a supervisor asks before it starts them.
    """
    family, address = _address(host)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "*"))
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortError(_explanation(error, address, port, setting)) from error
    listener.setblocking(False)
    return listener


def _address(host: str) -> tuple[socket.AddressFamily, str]:
    if host == "*":
        return (socket.AF_INET6, "::") if _has_ipv6() else (socket.AF_INET, "0.0.0.0")  # noqa: S104 - asked for
    if ":" in host:
        return socket.AF_INET6, host
    return socket.AF_INET, host


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        return True
    return False


def _explanation(error: OSError, address: str, port: int, setting: str) -> str:
    variable = f"POSTHOUSE_{setting.replace('.', '_').upper()}"
    change = f"choose another one in {setting} (or {variable})"
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} is taken by another program: stop it, or {change}"
        case errno.EACCES:
            return f"port {port} needs a privilege (root, or CAP_NET_BIND_SERVICE): {change}"
        case errno.EADDRNOTAVAIL:
            return f"{address} is no address of this machine: correct {setting.partition('.')[0]}.host"
        case _:
            return f"cannot listen on {address} port {port} ({setting}): {error.strerror}"


def own_addresses(settings: Settings) -> tuple[str, ...]:
    """The IP addresses of this machine where the world's mail reaches our own inbound role, on the only port MX records know.

    Those of `inbound.host`, where "*" is every interface. None when the role runs elsewhere or on another port: then another
    program may be the one that answers there.
    """
    inbound = settings.inbound
    if inbound.port != _MX_PORT or not settings.processes.inbound:
        return ()
    match inbound.host:
        case "*":
            return local_addresses()
        case "0.0.0.0":  # noqa: S104 - compared, not bound
            return tuple(_addresses_v4())
        case "::":
            return tuple(_addresses_v6())
        case host:
            return _resolved(host)


def local_addresses() -> tuple[str, ...]:
    """Every IP address of this machine's interfaces."""
    return (*_addresses_v4(), *_addresses_v6())


def _resolved(host: str) -> tuple[str, ...]:
    with contextlib.suppress(OSError):
        return tuple(sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None)}))
    return ()


def _addresses_v4() -> Iterator[str]:
    """Linux shows its routing tree, once for each table; every address of its own is a leaf of type LOCAL in it."""
    return iter(dict.fromkeys(found[1] for found in _LOCAL_V4.finditer(_read(_TREE_V4))))


def _addresses_v6() -> Iterator[str]:
    """One interface's address a line, 32 hexadecimal digits first."""
    return (str(ipaddress.IPv6Address(int(line[:32], 16))) for line in _read(_TABLE_V6).splitlines())


def _read(table: Path) -> str:
    """Empty where the kernel has no such table: without IPv6, or not Linux."""
    with contextlib.suppress(OSError):
        return table.read_text(encoding="ascii")
    return ""


def server_tls(settings: Settings) -> ssl.SSLContext:
    """TLS for our listeners: the certificate of the settings, or a self-signed one kept in the data folder."""
    chain = settings.submission.tls_cert or ensure_self_signed(settings.data / "tls", settings.server.hostname)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.load_cert_chain(chain, settings.submission.tls_key)
    return context


def ensure_self_signed(folder: Path, hostname: str) -> Path:
    """A PEM file with a key and a certificate for `hostname`, made at the first call. Safe against two processes at once."""
    both = folder / "self-signed.pem"  # one file, so that two processes never mix their halves
    if not both.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = ec.generate_private_key(ec.SECP256R1())
        _write_private(both, _pem(private) + _certificate(private, hostname).public_bytes(serialization.Encoding.PEM))
    return both


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(private: ec.EllipticCurvePrivateKey, hostname: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    names = [x509.DNSName(hostname), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )


def _write_private(path: Path, content: bytes) -> None:
    """Whole or not at all, and readable only by its owner."""
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
