"""Both signatures of mail that went the whole way pass at verifiers that are not ours: OpenDKIM, dkimpy, mailauth."""

import asyncio
import base64
import re
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dkim
import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.peers import mail_server, mailauth_judge
from tests.submission_role import Role
from tests.submission_role import running as submitting
from tests.web_server import Web
from tests.web_server import running as serving

from free_ports import free_port
from posthouse.accounts import bootstrap
from posthouse.model.words import FINAL_STATES
from posthouse.wire import headers

SENDER, BOB = "shop@example.com", "bob@there.test"
CASE = "X-Case"
_PDF = base64.b64encode(bytes(range(256)) * 200).decode()
BOTH = {"rsa-sha256", "ed25519-sha256"}

BY_API: dict[str, dict[str, Any]] = {
    "text alone": {"subject": "Hi", "text": "It works.\n"},
    "no final line end": {"subject": "Hi", "text": "the last line ends here"},
    "an empty text": {"subject": "", "text": ""},
    "Danish text and names": {"from": f"Åse Sørensen <{SENDER}>", "subject": "Blåbærgrød " * 20, "text": "Rød grød æøå\n" * 30},
    "HTML, text and attachments": {
        "subject": "All",
        "text": "text ",
        "html": "<p>text &nbsp; </p>\n",
        "attachments": [
            {"filename": "faktura æøå.pdf", "content": _PDF},
            {"filename": "logo.png", "content": _PDF, "content_id": "logo"},
        ],
    },
    "headers of the caller's own": {
        "subject": "x",
        "text": "x",
        "headers": {"List-Unsubscribe": "<https://example.com/" + "u" * 200 + ">", "X-Long": "word " * 300, "References": "<a@b> <c@d>"},
    },
    "raw MIME without a body": {"raw": f"From: {SENDER}\r\nTo: {BOB}\r\nSubject: none\r\n{CASE}: raw MIME without a body\r\n\r\n"},
}  # fmt: skip


def _mail(body: bytes, *fields: bytes) -> bytes:
    own = (b"From: " + SENDER.encode(), b"To: " + BOB.encode(), b"Date: Sat, 21 Nov 2026 12:00:00 +0000")
    return b"\r\n".join((*own, b"Message-ID: <1@example.com>", *fields, b"", body))


BY_SMTP: dict[str, bytes] = {
    "an empty body": _mail(b"", b"Subject: none"),
    "a body of blank lines": _mail(b"\r\n\r\n\r\n", b"Subject: blank"),
    "white space at line ends": _mail(b"a  b \t\r\n \t \r\nc\r\n\r\n\r\n", b"Subject:  two  spaces "),
    "no subject": _mail(b"x\r\n"),
    "an empty subject": _mail(b"x\r\n", b"Subject:"),
    "odd spelling of fields": _mail(b"x\r\n", b"SUBJECT:no space", b"mime-VERSION :1.0", b"Content-Type:\ttext/plain", b"X-Odd:  \t x"),
    "long folded fields": _mail(b"x\r\n", b"Subject: a" + b"\r\n \tfolded line" * 60, b"References:" + b"\r\n <r@example.com>" * 80),
    "a field of 990 octets": _mail(b"x\r\n", b"Subject: " + b"s" * 980),
    "repeated fields": _mail(b"x\r\n", b"Subject: one", b"Subject: two", b"Cc: a@example.com", b"Cc: b@example.com", b"Keywords: k", b"Keywords: l"),
    "eight-bit body": _mail("Blåbærgrød\r\n".encode("latin-1"), b"Content-Type: text/plain; charset=iso-8859-1", b"Content-Transfer-Encoding: 8bit"),
    "eight-bit subject": _mail(b"x\r\n", "Subject: rød grød".encode()),
    "dots": _mail(b".\r\n..\r\n.x\r\n", b"Subject: dots"),
    "long lines": _mail(b"L" * 998 + b"\r\n", b"Subject: long"),
    "somebody else's signature and results": _mail(
        b"x\r\n", b"Subject: s", b"Authentication-Results: elsewhere.test; dkim=fail", b"List-Id: <l.example.com>",
        b"List-Unsubscribe: <https://example.com/u>", b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
}  # fmt: skip


@dataclass(frozen=True)
class Delivered:
    """Mails by case as the receiver's mailbox holds them, and the keys to check them with: TXT value by name."""

    mails: Mapping[str, bytes]
    zone: Mapping[str, str]


@pytest.fixture(scope="module")
def once() -> list[Delivered]:
    """What the first test had delivered; all of them look at the same mails."""
    return []


@pytest.fixture
async def delivered(make_process: MakeProcess, once: list[Delivered]) -> Delivered:
    if not once:
        once.append(await _delivered(make_process))
    return once[0]


async def _delivered(make_process: MakeProcess) -> Delivered:
    ports = {"port": free_port(), "tls_port": free_port(), "host": "127.0.0.1", "auth_without_tls": True}
    submission = make_process("submission", submission=ports, lab={"enabled": True})
    async with open_corridor(make_process) as corridor, serving(make_process) as web, submitting(submission) as role:
        keys = await bootstrap.lab_keys(corridor.process.pool)
        zone = {f"{selector}._domainkey.example.com": value for selector, value in keys.items()}
        with mail_server.running(zone) as receiver:
            async with corridor.delivering(0, routes=receiver.routes):
                await _send_all(web, role)
                await _settled(corridor)
            mails = await asyncio.to_thread(receiver.mails, BOB, len(BY_API) + len(BY_SMTP))
    return Delivered({_case(mail): mail for mail in mails}, zone)


async def _send_all(web: Web, role: Role) -> None:
    for case, message in BY_API.items():
        whole = message if "raw" in message else {"from": SENDER, "to": BOB, **message}
        if "raw" not in message:
            whole["headers"] = {CASE: case, **message.get("headers", {})}
        answer = await web.client.post("/v1/messages", json=whole)
        assert answer.status_code == 202, (case, answer.text)
    await asyncio.to_thread(_submit_all, role)


def _submit_all(role: Role) -> None:
    with smtplib.SMTP("127.0.0.1", role.port, local_hostname="client.test", timeout=20) as client:
        for case, content in BY_SMTP.items():
            assert client.sendmail(SENDER, [BOB], CASE.encode() + b": " + case.encode() + b"\r\n" + content) == {}


async def _settled(corridor: Corridor) -> None:
    async with asyncio.timeout(20):
        while True:
            states = await corridor.process.pool.fetch("SELECT DISTINCT state FROM outbox")
            if {row["state"] for row in states} <= FINAL_STATES:
                return
            await asyncio.sleep(0.05)


def _case(mail: bytes) -> str:
    return headers.decode(headers.first(headers.split(mail)[0], CASE) or b"")


def _all_pass() -> dict[str, set[str]]:
    return dict.fromkeys([*BY_API, *BY_SMTP], BOTH)


async def test_opendkim_in_postfix_passes_both_signatures(delivered: Delivered) -> None:
    assert {case: _opendkim_passes(mail) for case, mail in delivered.mails.items()} == _all_pass()


def _opendkim_passes(mail: bytes) -> set[str]:
    """The algorithms that the receiver's own Authentication-Results field says have passed."""
    field = next(
        value for value in headers.values(headers.split(mail)[0], "Authentication-Results") if b"mx.there.test" in value
    )
    return {found.decode() for found in re.findall(rb"dkim=pass [^;]*header\.a=([a-z0-9-]+)", field)}


async def test_dkimpy_passes_the_rsa_signature(delivered: Delivered) -> None:
    assert {case: _dkimpy_passes(mail, delivered.zone) for case, mail in delivered.mails.items()} == {
        case: {"rsa-sha256"} for case in _all_pass()
    }


def _dkimpy_passes(mail: bytes, zone: Mapping[str, str]) -> set[str]:
    """The RSA signature is the second; for Ed25519 dkimpy needs a library of its own."""
    checker = dkim.DKIM(mail)
    passed = checker.verify(1, dnsfunc=lambda name, timeout=5: zone[name.decode().rstrip(".")].encode())
    return {checker.signature_fields[b"a"].decode()} if passed else set()


@pytest.fixture(scope="session")
def mailauth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script with its pinned dependency, installed beside a copy of it."""
    return mailauth_judge.install(tmp_path_factory.mktemp("mailauth"))


async def test_mailauth_passes_both_signatures(delivered: Delivered, mailauth: Path) -> None:
    verdicts = await _mailauth(mailauth, delivered.mails, delivered.zone)
    passed = {case: {algorithm for algorithm, result in found if result == "pass"} for case, found in verdicts.items()}
    assert passed == _all_pass(), verdicts


async def test_verifiers_see_a_mail_that_was_changed(delivered: Delivered, mailauth: Path) -> None:
    changed = delivered.mails["dots"].replace(b"Subject: dots", b"Subject: gold")
    assert _dkimpy_passes(changed, delivered.zone) == set()
    verdicts = await _mailauth(mailauth, {"dots": changed}, delivered.zone)
    assert {result.split()[0] for _, result in verdicts["dots"]} == {"fail"}


async def _mailauth(folder: Path, mails: Mapping[str, bytes], zone: Mapping[str, str]) -> dict[str, list[list[str]]]:
    """[algorithm, result] of every signature, by case."""
    asked = {"zone": dict(zone), "mails": {case: base64.b64encode(mail).decode() for case, mail in mails.items()}}
    verdicts: dict[str, list[list[str]]] = await mailauth_judge.ask(folder, "verify.js", asked)
    return verdicts
