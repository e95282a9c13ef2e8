"""Unbound as a validating resolver over zones signed here: an independent judge of what DNSSEC vouches for."""

import asyncio
import contextlib
import datetime
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from free_ports import free_port

_LIFETIME_S = 86_400
_PATIENCE_S = 60
_SECURE_ENTRY_POINT = 257
_HEAD = """\
@ 300 IN SOA ns admin 1 3600 600 86400 60
@ 300 IN NS ns
ns 300 IN A 127.0.0.1
"""


@dataclass(frozen=True)
class Zone:
    """One zone: its lines, whether it is signed, and names whose signatures are broken afterwards."""

    name: str
    lines: Sequence[str]
    signed: bool = True
    broken: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class _Key:
    private: ec.EllipticCurvePrivateKey
    public: DNSKEY


@contextlib.asynccontextmanager
async def validating_resolver(folder: Path, zones: Sequence[Zone], port: int | None = None) -> AsyncIterator[str]:
    """`ip:port` of Unbound for the time of the block, with the keys of the signed zones as its trust anchors."""
    port = port or free_port()
    sections = [_section(folder, zone) for zone in zones]
    configuration = folder / "unbound.conf"
    configuration.write_text(_configuration(folder, port, sections, [zone.name for zone in zones]))
    process = await asyncio.create_subprocess_exec(
        "unbound", "-d", "-p", "-c", str(configuration), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _answering(port)
        yield f"127.0.0.1:{port}"
    finally:
        await _ended(process)


def _configuration(folder: Path, port: int, sections: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    # Unbound answers for addresses of documentation and private networks itself, unless told not to.
    reverse = "".join(f'  local-zone: "{name}." nodefault\n' for name in names if name.endswith(".arpa"))
    anchors = "".join(anchor for anchor, _ in sections)
    return f"""\
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1@{port}
  do-ip6: no
  num-threads: 1
  module-config: "validator iterator"
  do-not-query-localhost: no
  domain-insecure: "unsigned.test"
  local-zone: "test." nodefault
{reverse}{anchors}
{"".join(section for _, section in sections)}
"""


def _section(folder: Path, zone: Zone) -> tuple[str, str]:
    """The trust anchor of a zone, and the zone itself as an upstream whose answers are validated like any other's."""
    content = dns.zone.from_text("\n".join([_HEAD, *zone.lines]), origin=f"{zone.name}.", relativize=False)
    anchor = ""
    if zone.signed:
        key = _sign(content)
        for name, rdtype in zone.broken:
            _spoil(content, name, rdtype)
        anchor = f'  trust-anchor: "{zone.name}. 300 IN DNSKEY {key.public.to_text()}"\n'
    path = folder / f"{zone.name}.zone"
    content.to_file(str(path), relativize=False)
    section = f'auth-zone:\n  name: "{zone.name}."\n  zonefile: "{path}"\n  for-downstream: no\n  for-upstream: yes\n'
    return anchor, section


def _sign(zone: dns.zone.Zone) -> _Key:
    private = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(private.public_key(), Algorithm.ECDSAP256SHA256, flags=_SECURE_ENTRY_POINT)
    now = datetime.datetime.now(datetime.UTC)
    with zone.writer() as transaction:
        dns.dnssec.sign_zone(
            zone, transaction, [(private, public)], dnskey_ttl=300, lifetime=_LIFETIME_S,
            inception=now - datetime.timedelta(hours=1),
        )  # fmt: skip
    return _Key(private, public)


def _spoil(zone: dns.zone.Zone, name: str, rdtype: str) -> None:
    """The signatures of one set become those of something else."""
    covers = dns.rdatatype.from_text(rdtype)
    rdataset = zone.find_rdataset(dns.name.from_text(name), dns.rdatatype.RRSIG, covers)
    (signature,) = rdataset
    rdataset.clear()
    rdataset.add(signature.replace(signature=bytes(len(signature.signature))))


async def _ended(process: Process) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await process.wait()
    except TimeoutError:  # what it made of our questions was judged by then
        process.kill()
        await process.wait()


async def _answering(port: int) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
