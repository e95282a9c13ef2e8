"""Receivers' reports as swaks brings them to port 25, signed by dkimpy, with Unbound to prove who sends them."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.inbound_role import Office, running, with_one_mail
from tests.peers.validating_resolver import Zone, validating_resolver
from tests.verified import verified_domain

from free_ports import free_port
from posthouse.accounts import workspaces
from posthouse.intake import receiver_reports
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process
from posthouse.wire.verp import Purpose

_PATIENCE_S = 60  # swaks itself waits 30 s for a reply
KEY = rsa.generate_private_key(65537, 2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
OURS = "v=spf1 ip4:127.0.0.1 -all"
RECORDS: Mapping[str, str] = {
    "receiver.test": OURS,
    "_dmarc.receiver.test": "v=DMARC1; p=reject",
    "mx.receiver.test": OURS,
    "s1._domainkey.receiver.test": f"v=DKIM1; k=rsa; p={PUBLIC}",
    "tls._domainkey.receiver.test": f"v=DKIM1; k=rsa; s=tlsrpt; p={PUBLIC}",
    "elsewhere.test": "v=spf1 -all",
    "evil.test": OURS,
    "s1._domainkey.evil.test": f"v=DKIM1; k=rsa; p={PUBLIC}",
}


def _line(name: str, text: str) -> str:
    return f"{name}. 300 IN TXT " + " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


SILENT = "silent._domainkey.receiver.test"  # its zone is broken, so that nobody can look up the key
ZONES = [
    Zone("test", [_line(name, text) for name, text in RECORDS.items()], signed=False),
    Zone(SILENT, [_line(SILENT, "v=DKIM1")], broken=[(f"{SILENT}.", "TXT")]),
]
AGGREGATE = b"""<feedback><report_metadata><org_name>Receiver</org_name><report_id>%d</report_id></report_metadata>
<policy_published><domain>shop.example</domain></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>4</count>
</row></record></feedback>"""
TLS = {
    "organization-name": "Receiver", "report-id": "t1",
    "date-range": {"start-datetime": "2026-11-20T00:00:00Z", "end-datetime": "2026-11-20T23:59:59Z"},
    "policies": [{"policy": {"policy-type": "no-policy-found", "policy-domain": "shop.example"},
                  "summary": {"total-successful-session-count": 9, "total-failure-session-count": 0}}],
}  # fmt: skip


def mail(content: bytes, sender: str = "dmarc@receiver.test") -> bytes:
    head = f"From: Reports <{sender}>\r\nSubject: Report Domain: shop.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    return (
        head.encode()
        + b"--x\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--x\r\nContent-Type: application/gzip\r\n"
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(content).replace(b"\n", b"\r\n")
        + b"--x--\r\n"
    )


def dmarc(number: int = 1, sender: str = "dmarc@receiver.test") -> bytes:
    return mail(gzip.compress(AGGREGATE % number), sender)


def signed(content: bytes, domain: str = "receiver.test", selector: str = "s1") -> bytes:
    signature: bytes = dkimpy.sign(content, selector.encode(), domain.encode(), PRIVATE)
    return signature + content


@dataclass
class Desk:
    """The running role and the address for reports of its workspace."""

    office: Office
    address: str
    folder: Path

    async def brings(self, content: bytes, mail_from: str = "dmarc@receiver.test", helo: str = "mx.there.test") -> str:
        """The reply to the dot, as swaks heard it."""
        file = self.folder / "mail"
        file.write_bytes(content)
        swaks = await asyncio.create_subprocess_exec(
            "swaks", "--server", "127.0.0.1", "--port", str(self.office.process.settings.inbound.port), "--helo", helo,
            "--from", mail_from, "--to", self.address, "--data", f"@{file}", "--hide-send", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(_PATIENCE_S):
            out, _ = await swaks.communicate()
        *_, dot, _ = [line for line in out.decode().splitlines() if line.startswith(("<- ", "<** "))]
        return dot.split(" ", 1)[1].strip()

    async def kept(self) -> tuple[list[int], int]:
        """The messages of each DMARC report, and how many TLS reports."""
        rows = await self.office.process.pool.fetch(
            "SELECT messages FROM dmarc_reports WHERE source = 'mail' ORDER BY report_id"
        )
        return [row["messages"] for row in rows], await self.office.process.pool.fetchval(
            "SELECT count(*) FROM tls_reports"
        )


async def _senders(desk: Desk) -> set[str]:
    rows = await desk.office.process.pool.fetch(
        "SELECT proven_by FROM dmarc_reports UNION ALL SELECT proven_by FROM tls_reports"
    )
    return {row["proven_by"] for row in rows}


async def _desk(make_process: Callable[..., Process], folder: Path, resolver: str) -> Desk:
    process = make_process(
        "inbound", inbound={"port": free_port(), "host": "127.0.0.1"}, lab={"enabled": True}, delivery={"resolvers": (resolver,)}
    )  # fmt: skip
    office = await with_one_mail(process)
    await verified_domain(process, office.workspace_id, "shop.example")
    workspace = await workspaces.find(process.pool, office.workspace_id)
    assert workspace
    return Desk(office, receiver_reports.address(process, workspace), folder)


@pytest.fixture
async def desk(make_process: Callable[..., Process], tmp_path: Path) -> AsyncIterator[Desk]:
    async with validating_resolver(tmp_path, ZONES) as resolver:
        desk = await _desk(make_process, tmp_path, resolver)
        async with running(desk.office.process):
            yield desk


async def test_what_spf_proves_is_taken_once(desk: Desk) -> None:
    for _ in range(2):
        assert (await desk.brings(dmarc())).startswith("250 ")
    assert await desk.kept() == ([4], 0)
    assert await _senders(desk) == {"receiver.test by SPF"}
    assert await desk.office.kinds() == []


async def test_a_report_from_nobody_is_proven_by_the_greeting(desk: Desk) -> None:
    assert (await desk.brings(dmarc(), "<>", "mx.receiver.test")).startswith("250 ")
    assert await desk.kept() == ([4], 0)


async def test_what_a_signature_proves_is_taken_from_anywhere(desk: Desk) -> None:
    assert (await desk.brings(signed(dmarc()), "bounce@elsewhere.test")).startswith("250 ")
    subdomain = signed(dmarc(2, "dmarc@reports.receiver.test"))
    assert (await desk.brings(subdomain, "bounce@elsewhere.test")).startswith("250 ")
    assert await desk.kept() == ([4, 4], 0)
    assert await _senders(desk) == {"receiver.test by DKIM"}


async def test_what_nothing_proves_is_refused_and_not_kept(desk: Desk) -> None:
    reply = await desk.brings(dmarc(), "dmarc@elsewhere.test")
    assert reply.startswith(
        "550 5.7.26 Reports count only where SPF or DKIM proves a domain aligned with From, receiver.test"
    )
    assert "SPF of elsewhere.test says fail for 127.0.0.1 (-all of elsewhere.test); there is no DKIM signature" in reply
    altered = signed(dmarc()).replace(b"A report.", b"Another.")
    assert "DKIM of receiver.test says fail (the body was altered)" in await desk.brings(altered, "x@elsewhere.test")
    assert await desk.kept() == ([], 0)


async def test_whoever_proves_another_domain_may_not_write_in_this_ones_name(desk: Desk) -> None:
    reply = await desk.brings(signed(dmarc(), "evil.test"), "dmarc@evil.test")
    assert reply.startswith("550 5.7.26 ")
    assert "SPF passes for evil.test, which is not aligned; DKIM of evil.test passes, which is not aligned" in reply
    assert await desk.kept() == ([], 0)


async def test_a_tls_report_has_to_be_signed_and_its_key_is_good_for_nothing_else(desk: Desk) -> None:
    tls = mail(gzip.compress(json.dumps(TLS).encode()))
    assert (await desk.brings(tls)).startswith("550 5.7.20 A TLS report has to be signed")
    assert await desk.kept() == ([], 0)
    assert (await desk.brings(signed(tls, selector="silent"))).startswith("451 4.7.5 ")
    assert (await desk.brings(signed(tls, selector="tls"), "x@elsewhere.test")).startswith("250 ")
    assert (await desk.brings(signed(dmarc(), selector="tls"), "x@elsewhere.test")).startswith("550 5.7.20 ")
    assert await desk.kept() == ([], 1)


async def test_without_a_resolver_a_report_waits_and_is_taken_when_it_is_back(
    make_process: Callable[..., Process], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Resolver.__init__.__kwdefaults__, "timeout_s", 0.2)
    monkeypatch.setattr("posthouse.runtime.dns.DNS_FAILURE_TTL_S", 0)
    port = free_port()
    desk = await _desk(make_process, tmp_path, f"127.0.0.1:{port}")
    async with running(desk.office.process):
        assert (await desk.brings(dmarc())).startswith("451 4.7.24 The DNS does not say for the moment who may send")
        assert (await desk.brings(signed(dmarc()), "<>", "localhost")).startswith("451 4.7.5 ")
        assert await desk.kept() == ([], 0)
        async with validating_resolver(tmp_path, ZONES, port):
            assert (await desk.brings(dmarc())).startswith("250 ")
    assert await desk.kept() == ([4], 0)


@pytest.mark.parametrize("attached", [gzip.compress(AGGREGATE % 1)[:-9], b"hello", gzip.compress(bytes(9_000_000))])
async def test_a_mail_there_that_holds_nothing_for_us_is_taken_and_left(desk: Desk, attached: bytes) -> None:
    assert (await desk.brings(mail(attached))).startswith("250 ")
    assert await desk.kept() == ([], 0)


async def test_an_address_for_reports_names_the_workspace_itself(desk: Desk) -> None:
    desk.address = desk.office.address(Purpose.REPORT)  # signed, but with a recipient's id in it
    assert (await desk.brings(dmarc())).startswith("250 ")
    assert await desk.kept() == ([], 0)
    desk.address = desk.office.address(Purpose.REPORT, b"other secret")
    assert (await desk.brings(dmarc())).startswith("550 5.1.1 ")
