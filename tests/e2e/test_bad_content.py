"""Mail that tries to be more than one, and content that not every host can take, from the door to the receiver."""

import asyncio
import base64
import re

from tests.e2e.receiving import House
from tests.lab_servers import until
from tests.submission_role import Role
from tests.submission_role import running as submission
from tests.web_server import running as web

from free_ports import free_port
from posthouse.model.outcome import Stage
from posthouse.model.words import State

PLAIN_EHLO = b"250-sink.test\r\n250 SIZE 26214400\r\n"
HEAD = b"From: Ann <ann@example.test>\r\nTo: bob@there.test\r\nSubject: hello\r\nMessage-ID: <1@example.test>\r\n"


async def test_dots_at_the_beginning_of_lines_arrive_whatever_the_pieces_they_are_read_in(house: House) -> None:
    body = b"".join(b"." * (n % 5) + b"line %d\r\n" % n for n in range(40_000)) + b".\r\n..\r\n.\r\n"
    async with house.receiver() as receiver:
        accepted = await house.corridor.send("bob@dots.test", content=HEAD + b"\r\n" + body)
        row = await house.row(accepted)
    assert row.state is State.DELIVERED
    (mail,) = receiver.mails
    assert len({len(flight) for flight in receiver.flights}) > 3, "it came in pieces"
    assert re.sub(rb"(?m)^\.", b"", mail.data).endswith(b"\r\n\r\n" + body)


async def _talk(role: Role, *lines: bytes) -> list[bytes]:
    """What the door says to these lines, each answered before the next is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", role.port)
    replies = [await reader.readline()]
    for line in lines:
        writer.write(line)
        while (reply := await reader.readline())[3:4] == b"-":
            pass
        replies.append(reply)
    writer.close()
    await writer.wait_closed()
    return replies


async def test_a_second_mail_smuggled_behind_a_bare_lf_is_refused_with_the_first(house: House) -> None:
    port = free_port()
    process = house.yard.process(
        "submission", submission={"port": port, "auth_without_tls": True}, lab={"enabled": True}
    )
    endings = (b"\n.\r\n", b"\n.\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r")
    async with submission(process) as role, house.receiver() as receiver:
        token = base64.b64encode(f"\0{role.known.smtp_user}\0{role.known.smtp_password}".encode())
        for ending in endings:
            smuggled = (
                HEAD + b"\r\nfirst" + ending + b"MAIL FROM:<x@example.test>\r\nRCPT TO:<y@smuggled.test>\r\nDATA\r\n"
            )
            *_, answer = await _talk(
                role, b"EHLO client.test\r\n", b"AUTH PLAIN " + token + b"\r\n", b"MAIL FROM:<ann@example.test>\r\n",
                b"RCPT TO:<bob@first.test>\r\n", b"DATA\r\n", smuggled + HEAD + b"\r\nsecond\r\n.\r\n",
            )  # fmt: skip
            assert answer.startswith(b"554 5.6."), (ending, answer)
        honest = await house.corridor.send("carl@honest.test")
        assert (await house.row(honest)).state is State.DELIVERED
    assert len(receiver.mails) == 1


async def test_no_name_or_subject_adds_a_header_or_a_recipient(house: House) -> None:
    evil = "Hello\r\nBcc: eve@evil.test\r\n\r\nall of it"
    message = {"from": "ann@example.com", "to": ["bob@injected.test"], "subject": "hello", "text": "It works."}
    attempts = (
        {"subject": evil},
        {"from": f"{evil} <ann@example.com>"},
        {"from": {"name": evil, "email": "ann@example.com"}},
        {"to": [{"name": evil, "email": "bob@injected.test"}]},
        {"to": ["bob@injected.test\r\nRCPT TO:<eve@evil.test>"]},
        {"headers": {"X-Note": evil}},
        {"headers": {"X-Note\r\nBcc": "eve@evil.test"}},
    )
    async with web(house.yard.process) as server, house.receiver() as receiver:
        accepted = 0
        for change in attempts:
            answer = await server.client.post("/v1/messages", json=message | change)
            assert answer.status_code in {202, 422}, answer.text
            accepted += answer.status_code == 202
        last = await house.corridor.send("last@injected.test")
        await house.row(last)
        await until(lambda: len(receiver.mails) == accepted + 1)
    assert not any("evil.test" in command for command in receiver.commands)
    for mail in receiver.mails:
        head = mail.data.split(b"\r\n\r\n", 1)[0].lower()
        assert b"\nbcc:" not in head
        assert b"\n\r" not in head
        assert len(mail.recipients) == 1


async def test_a_local_part_beyond_ascii_is_final_where_the_host_knows_only_ascii(house: House) -> None:
    async with house.receiver({"EHLO": PLAIN_EHLO}) as receiver:
        accepted = await house.corridor.send("grå@ascii.test", smtputf8=True)
        row = await house.row(accepted)
        assert (row.state, row.enhanced) == (State.BOUNCED, "5.6.7")
        assert (await house.tried(accepted, 1))[0].stage is Stage.LOCAL
        receiver.reactions.pop("EHLO")
        for writer in list(receiver.writers):
            writer.close()
        second = await house.corridor.send("grå@unicode.test", smtputf8=True)
        assert (await house.row(second)).state is State.DELIVERED
    assert [mail.recipients for mail in receiver.mails] == [["RCPT TO:<grå@unicode.test>"]]


async def test_what_we_write_needs_no_eight_bits_so_a_seven_bit_host_gets_it_with_its_signature(house: House) -> None:
    message = {
        "from": "Ærø <ann@example.com>", "to": ["bob@seven.test"], "subject": "Blåbærgrød", "text": "Rødgrød med fløde",
        "html": "<p>Rødgrød med fløde</p>",
    }  # fmt: skip
    async with web(house.yard.process) as server, house.receiver({"EHLO": PLAIN_EHLO}) as receiver:
        answer = await server.client.post("/v1/messages", json=message)
        assert answer.status_code == 202
        await until(lambda: receiver.mails)
    assert receiver.mails[0].data.isascii()
    assert not any("BODY=8BITMIME" in command for command in receiver.commands)
    assert receiver.mails[0].data.count(b"DKIM-Signature:") == 2
