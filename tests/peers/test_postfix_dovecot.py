"""Real receivers: what was submitted is delivered to Postfix, kept by Dovecot, and read back over IMAP to the octet."""

import asyncio
import base64
import contextlib
import email
import email.policy
import hashlib
import re
import smtplib
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.peers import mail_server
from tests.peers.mail_server import SIZE_LIMIT, MailServer
from tests.submission_role import running as submitting
from tests.web_server import Web
from tests.web_server import running as serving

from free_ports import free_port
from posthouse.ledger import timeline
from posthouse.model.words import FINAL_STATES, State
from posthouse.outbox.messages import RecipientRow

SENDER = "shop@example.com"
BOB = "bob@there.test"
_ACCEPTED = re.compile(rb"Accepted as ([0-9a-f-]{36})")


@dataclass(frozen=True)
class House:
    """The doors, the way out, and the receiver behind it."""

    corridor: Corridor
    web: Web
    port: int
    receiver: MailServer

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        async with self.corridor.delivering(0, routes=self.receiver.routes):
            yield

    async def submit(self, content: bytes, to: str = BOB) -> UUID:
        """By SMTP."""
        return await asyncio.to_thread(self._submit, content, to)

    def _submit(self, content: bytes, to: str) -> UUID:
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=20) as client:
            client.ehlo()
            options = [] if to.isascii() else ["SMTPUTF8"]
            client.command_encoding = "utf-8"
            assert client.mail(SENDER, options)[0] == 250
            assert client.rcpt(to)[0] == 250
            code, text = client.data(content)
        found = _ACCEPTED.search(text)
        assert code == 250, text
        assert found, text
        return UUID(found[1].decode())

    async def post(self, message: dict[str, Any]) -> UUID:
        """By the API."""
        answer = await self.web.client.post("/v1/messages", json={"from": SENDER, "to": BOB, **message})
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["id"])

    async def outcome(self, message_id: UUID) -> RecipientRow:
        """Where the mail of its only recipient is after the first attempt."""
        async with asyncio.timeout(20):
            while True:
                (row,) = await self.corridor.recipients(message_id)
                if row.state in FINAL_STATES or (row.state is State.WAITING and row.reason):
                    return row
                await asyncio.sleep(0.02)

    async def attempt(self, message_id: UUID) -> timeline.AttemptRow:
        """Its only attempt."""
        row = await self.outcome(message_id)
        async with self.corridor.process.pool.acquire() as connection:
            workspace_id = self.corridor.submitter.workspace_id
            (attempt,) = await timeline.attempts(connection, workspace_id, message_id, [row.recipient_id])
        return attempt

    async def arrived(self, message_id: UUID, address: str = BOB) -> bytes:
        """What the mailbox holds; it ends with what the API says was sent, below the fields the receiver put on top."""
        row = await self.outcome(message_id)
        assert row.state is State.DELIVERED, row
        (mail,) = await asyncio.to_thread(self.receiver.mails, address)
        raw = (await self.web.client.get(f"/v1/messages/{message_id}/raw")).content
        assert mail.endswith(raw)
        assert b"DKIM-Signature" not in mail[: -len(raw)]
        return mail


@pytest.fixture(scope="module")
def receiver() -> Iterator[MailServer]:
    with mail_server.running() as server:
        yield server


@pytest.fixture
async def house(make_process: MakeProcess, receiver: MailServer) -> AsyncIterator[House]:
    ports = {"port": free_port(), "tls_port": free_port(), "host": "127.0.0.1", "auth_without_tls": True}
    submission = make_process("submission", submission=ports, lab={"enabled": True})
    async with open_corridor(make_process) as corridor, serving(make_process) as web, submitting(submission) as role:
        yield House(corridor, web, role.port, receiver)


def newsletter() -> EmailMessage:
    """HTML with an inline image beside its text, an invitation, and an attachment with a Danish name."""
    message = EmailMessage(email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = (
        f"Åse Sørensen <{SENDER}>",
        BOB,
        "Kære Bøb – årets fløde på sølvfad",
    )
    message["Date"], message["Message-ID"] = "Sat, 21 Nov 2026 12:00:00 +0000", "<newsletter.1@example.com>"
    message.set_content("Hej\n.\n..to prikker\nFrom her\n")
    message.add_alternative('<p>Hej <img src="cid:logo@x"></p>', subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "image", "png", cid="<logo@x>")  # type: ignore[union-attr]
    calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Møde\r\nEND:VCALENDAR\r\n"
    message.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"})
    message.add_attachment(bytes(range(256)) * 40, "application", "pdf", filename="faktura æøå.pdf")
    return message


def plain(body: bytes, *fields: bytes) -> bytes:
    own = (b"From: " + SENDER.encode(), b"To: " + BOB.encode(), b"Subject: plain", b"Message-ID: <plain.1@example.com>")
    return b"\r\n".join((*own, b"Date: Sat, 21 Nov 2026 12:00:00 +0000", *fields, b"", body))


EXACT = {
    "inline images, an invitation and an attachment": newsletter().as_bytes(),
    "eight-bit Latin-1": plain("Blåbærgrød æøå\r\n".encode("latin-1"), b"Content-Type: text/plain; charset=iso-8859-1",
                               b"Content-Transfer-Encoding: 8bit"),
    "raw UTF-8 in a subject": plain(b"x\r\n", "X-Note: rød grød med fløde".encode()),
    "lines of 998 octets": plain(b"".join(bytes([65 + n]) * 998 + b"\r\n" for n in range(26))),
    "dots": plain(b".\r\n..\r\n.x\r\n. \r\n...\r\n"),
    "white space at line ends and blank lines at the end": plain(b"a \t\r\n \r\n\r\n\r\n"),
    "nothing but a header": plain(b""),
    "a long folded field and repeated ones": plain(b"x\r\n", b"References:" + b"\r\n <reference.%d@example.com>" * 40 % (*range(40),),
                                                   b"Keywords: one", b"Keywords: two", b"X-Empty:", b"x-ODD:case"),
}  # fmt: skip


@pytest.mark.parametrize("content", EXACT.values(), ids=EXACT.keys())
async def test_submitted_mail_reaches_the_mailbox_to_the_octet(house: House, content: bytes) -> None:
    async with house.delivering():
        mail = await house.arrived(await house.submit(content))
    assert mail.endswith(content)


async def test_a_mail_program_reads_the_parts_that_were_sent(house: House) -> None:
    async with house.delivering():
        mail = await house.arrived(await house.submit(newsletter().as_bytes()))
    read, sent = (email.message_from_bytes(one, policy=email.policy.default) for one in (mail, newsletter().as_bytes()))
    assert str(read["Subject"]) == str(sent["Subject"])
    assert read["From"].addresses[0].display_name == "Åse Sørensen"
    leaves = [[part.get_content() for part in one.walk() if not part.is_multipart()] for one in (read, sent)]
    assert leaves[0] == leaves[1]
    assert [part["Content-ID"] for part in read.walk() if part["Content-ID"]] == ["<logo@x>"]


async def test_an_smime_signature_still_verifies_at_the_receiver(house: House, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=Shop/emailAddress={SENDER}",
            "-addext", "extendedKeyUsage=emailProtection", "-keyout", "key.pem", "-out", "cert.pem")  # fmt: skip
    (tmp_path / "part").write_bytes(b"Content-Type: text/plain; charset=utf-8\r\n\r\nSigned words, trailing space \r\n")
    openssl("cms", "-sign", "-in", "part", "-signer", "cert.pem", "-inkey", "key.pem", "-from", SENDER, "-to", BOB,
            "-subject", "signed", "-out", "signed.eml")  # fmt: skip
    signed = (tmp_path / "signed.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    async with house.delivering():
        (tmp_path / "arrived.eml").write_bytes(await house.arrived(await house.submit(signed)))
    openssl("cms", "-verify", "-in", "arrived.eml", "-CAfile", "cert.pem", "-out", "verified")
    assert (tmp_path / "verified").read_bytes() == (tmp_path / "part").read_bytes()


async def test_what_the_api_composed_is_read_as_it_was_asked_for(house: House) -> None:
    pdf, logo = bytes(range(256)) * 300, b"\x89PNG\r\n\x1a\n"
    attachments = [
        {"filename": "faktura æøå.pdf", "content": base64.b64encode(pdf).decode()},
        {"filename": "logo.png", "content": base64.b64encode(logo).decode(), "content_id": "logo"},
    ]
    message = {"from": f"Åse Sørensen <{SENDER}>", "to": f"Bøb <{BOB}>", "subject": "Kære Bøb, " + "blåbærgrød " * 12,
               "html": "<p>Rød grød med fløde <img src='cid:logo'></p>", "attachments": attachments}  # fmt: skip
    async with house.delivering():
        mail = await house.arrived(await house.post(message))
    read = email.message_from_bytes(mail, policy=email.policy.default)
    assert str(read["Subject"]).strip() == message["subject"].strip()  # type: ignore[attr-defined]
    assert (read["From"].addresses[0].display_name, read["To"].addresses[0].display_name) == ("Åse Sørensen", "Bøb")
    parts = {part.get_content_type(): part for part in read.walk()}
    assert hashlib.sha256(parts["application/pdf"].get_content()).digest() == hashlib.sha256(pdf).digest()
    assert parts["application/pdf"].get_filename() == "faktura æøå.pdf"
    assert (parts["image/png"]["Content-ID"], parts["image/png"].get_content()) == ("<logo>", logo)
    assert "Rød grød med fløde" in parts["text/html"].get_content()
    assert "Rød grød med fløde" in parts["text/plain"].get_content()
    assert max(map(len, mail.splitlines())) <= 998


async def test_mail_is_encrypted_where_the_receiver_offers_it(house: House) -> None:
    async with house.delivering():
        sent = await house.submit(plain(b"x\r\n"))
        mail = await house.arrived(sent)
    assert (await house.attempt(sent)).tls.startswith("TLSv1.3 ")
    assert b"using TLSv1.3" in mail
    assert b"with ESMTPS id" in mail


async def test_mails_on_one_connection_are_told_apart_and_the_first_needs_no_reset(house: House) -> None:
    before = len(house.receiver.log)
    sent = [await house.submit(plain(b"mail %d\r\n" % number)) for number in range(3)]
    async with house.corridor.delivering(0, routes=house.receiver.routes, connections_per_site=1):
        for each in sent:
            await house.outcome(each)
    mails = await asyncio.to_thread(house.receiver.mails, BOB, 3)
    assert sorted(mail.rsplit(b"\r\n\r\n", 1)[1] for mail in mails) == [b"mail %d\r\n" % number for number in range(3)]
    log = await _logged(house, before, "disconnect from")
    assert re.search(r"ehlo=2 starttls=1 mail=3 rcpt=3 data=3 (rset=2 )?quit=1 ", log), log
    assert "pipelining" not in log


async def test_a_receiver_without_pipelining_tls_and_smtputf8_gets_its_mail_too(house: House) -> None:
    before = len(house.receiver.log)
    async with house.delivering():
        sent = await house.submit(plain(b"x\r\n"), "bob@plain.test")
        await house.arrived(sent, "bob@plain.test")
    assert (await house.attempt(sent)).tls == ""
    log = await _logged(house, before, "disconnect from")
    assert "improper command pipelining" not in log
    assert "ehlo=1 mail=1 rcpt=1 data=1 quit=1 " in log


async def test_mail_larger_than_the_receiver_takes_bounces_with_a_reason(house: House) -> None:
    before = len(house.receiver.log)
    async with house.delivering():
        sent = await house.submit(plain((b"x" * 70 + b"\r\n") * (SIZE_LIMIT // 70)))
        row = await house.outcome(sent)
    assert (row.state, row.enhanced) == (State.BOUNCED, "5.3.4")
    assert str(SIZE_LIMIT) in row.reason
    assert "data=" not in await _logged(house, before, "disconnect from")  # it was not sent for nothing


async def test_an_address_that_is_not_ascii_goes_where_smtputf8_is_spoken(house: House) -> None:
    async with house.delivering():
        sent = await house.submit(plain(b"x\r\n"), "blåbær@there.test")
        row = await house.outcome(sent)
    assert row.state is State.DELIVERED, row
    assert "SMTPUTF8" in (await house.attempt(sent)).transcript


async def test_an_address_that_is_not_ascii_bounces_with_5_6_7_elsewhere(house: House) -> None:
    async with house.delivering():
        row = await house.outcome(await house.submit(plain(b"x\r\n"), "blåbær@plain.test"))
    assert (row.state, row.enhanced) == (State.BOUNCED, "5.6.7")


async def test_a_receiver_that_puts_off_is_asked_again_later(house: House) -> None:
    async with house.delivering():
        row = await house.outcome(await house.submit(plain(b"x\r\n"), "later@there.test"))
    assert (row.state, row.code, row.enhanced) == (State.WAITING, 450, "4.7.1")
    assert "Come back later" in row.reason


async def test_an_unknown_user_bounces_and_is_not_written_to_again(house: House) -> None:
    async with house.delivering():
        row = await house.outcome(await house.submit(plain(b"x\r\n"), "nobody@there.test"))
        again = await house.outcome(await house.submit(plain(b"x\r\n"), "nobody@there.test"))
    assert (row.state, row.code, row.enhanced) == (State.BOUNCED, 550, "5.1.1")
    assert "User unknown" in row.reason
    assert again.state is State.SUPPRESSED


async def test_a_refusal_that_is_about_us_bounces_without_blaming_the_address(house: House) -> None:
    async with house.delivering():
        row = await house.outcome(await house.submit(plain(b"x\r\n"), "bob@elsewhere.test"))
        again = await house.outcome(await house.submit(plain(b"x\r\n"), "bob@elsewhere.test"))
    assert (row.state, row.enhanced) == (State.BOUNCED, "5.7.1")
    assert again.state is State.BOUNCED


async def _logged(house: House, since: int, words: str) -> str:
    """What the receiver logged since an offset, once it has these words."""
    async with asyncio.timeout(20):
        while True:
            log = house.receiver.log[since:]
            if words in log:
                return log
            await asyncio.sleep(0.05)
