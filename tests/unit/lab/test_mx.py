"""The lab's MX over real sockets: it takes everything, and misbehaves exactly where the address asks for it."""

import asyncio
import contextlib
import smtplib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from posthouse.intake.listener import Listener
from posthouse.lab import mx
from posthouse.lab.behaviours import Act
from posthouse.lab.mailbox import Mailbox, Received
from posthouse.lab.reports import Postman, complaint_address, report
from posthouse.wire import arf, dsn, headers

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE = b"From: shop@example.com\r\nTo: a@b.test\r\nMessage-ID: <1@example.com>\r\nSubject: Hi\r\n\r\nHello\r\n"


class Bench:
    """A running MX whose clock stands still, and an smtplib client for each question."""

    def __init__(self) -> None:
        self.now = START
        self.mailbox = Mailbox()
        self.port = 0

    async def send(self, *to: str, content: bytes = MESSAGE, sender: str = "b1@bounces.test") -> tuple[int, str]:
        return await asyncio.to_thread(self._send, to, content, sender)

    def _send(self, to: tuple[str, ...], content: bytes, sender: str) -> tuple[int, str]:
        with smtplib.SMTP("127.0.0.1", self.port, "mail.test", timeout=60) as client:
            client.ehlo()
            client.mail(sender)
            replies = [client.rcpt(address) for address in to]
            code, reply = replies[-1]
            if any(taken == 250 for taken, _ in replies):
                code, reply = client.data(content)
            return code, reply.decode()


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(mx, "TRICKLE_S", 0.001)
    bench = Bench()
    world = mx.World(bench.mailbox, Postman(("127.0.0.1", 1), lambda: bench.now), lambda: bench.now)
    listener = Listener(
        lambda connection: mx.LabMx(world, connection),
        log=structlog.get_logger(),
        tls=None,
        most=10,
        source_of=lambda ip: ip,
    )
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    bench.port = bound.getsockname()[1]
    await listener.listen(bound, mx.config("mx.lab.test", starttls=False))
    stopping = asyncio.Event()
    task = asyncio.create_task(listener.run(stopping))
    yield bench
    stopping.set()
    async with asyncio.timeout(30):
        await task


async def test_mail_to_anybody_anywhere_is_kept_with_its_envelope(bench: Bench) -> None:
    assert await bench.send("anna@example.org", "bo@elsewhere.test") == (250, "2.0.0 Accepted by the lab")
    received = bench.mailbox.get(1)
    assert received is not None
    assert (received.mail_from, received.recipients) == ("b1@bounces.test", ("anna@example.org", "bo@elsewhere.test"))
    assert (received.content, received.helo, received.received_at) == (MESSAGE, "mail.test", START)


@pytest.mark.parametrize(
    ("local_part", "code", "enhanced"),
    [
        ("hard-bounce", 550, "5.1.1"),
        ("hard-bounce-data", 550, "5.1.1"),
        ("soft-bounce", 452, "4.2.2"),
        ("full", 552, "5.2.2"),
        ("block", 550, "5.7.1"),
    ],
)
async def test_a_refusing_address_refuses_with_its_code(
    bench: Bench, local_part: str, code: int, enhanced: str
) -> None:
    found, reply = await bench.send(f"{local_part}@example.org")
    assert (found, reply[:5]) == (code, enhanced)
    assert len(bench.mailbox) == 0


async def test_one_bad_recipient_does_not_spoil_the_others(bench: Bench) -> None:
    assert (await bench.send("hard-bounce@example.org", "anna@example.org"))[0] == 250
    received = bench.mailbox.get(1)
    assert received is not None
    assert received.recipients == ("anna@example.org",)


async def test_greylisting_ends_after_the_given_number_of_tries(bench: Bench) -> None:
    codes = [(await bench.send("greylist+2@example.org"))[0] for _ in range(3)]
    assert codes == [451, 451, 250]


async def test_greylisting_ends_after_a_minute(bench: Bench) -> None:
    assert (await bench.send("greylist@example.org"))[0] == 451
    bench.now += timedelta(seconds=61)
    assert (await bench.send("greylist@example.org"))[0] == 250


async def test_421_comes_in_the_middle_of_the_message(bench: Bench) -> None:
    with socket.create_connection(("127.0.0.1", bench.port), timeout=10) as peer:
        stream = peer.makefile("rwb", buffering=0)

        def say(line: bytes) -> bytes:
            stream.write(line)
            return stream.readline()

        def talk() -> bytes:
            for line in (
                b"",
                b"HELO a.test\r\n",
                b"MAIL FROM:<a@b.test>\r\n",
                b"RCPT TO:<421@c.test>\r\n",
                b"DATA\r\n",
            ):
                say(line)
            return say(b"Subject: never finished\r\n")

        assert (await asyncio.to_thread(talk)).startswith(b"421 4.3.2")
        with stream, contextlib.suppress(ConnectionResetError):  # hanging up on what we still say may be that, too
            assert await asyncio.to_thread(stream.read) == b""


async def test_a_dropped_connection_after_the_dot_happens_once_per_message(bench: Bench) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await bench.send("drop-after-dot@example.org")
    assert len(bench.mailbox) == 0
    assert (await bench.send("drop-after-dot@example.org"))[0] == 250
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await bench.send("drop-after-dot@example.org", content=MESSAGE.replace(b"<1@", b"<2@"))


async def test_a_tarpit_takes_the_mail_in_the_end_with_one_reply_of_two_lines(bench: Bench) -> None:
    code, reply = await bench.send("tarpit@example.org")
    assert (code, reply) == (250, "2.0.0 Slowly, slowly\n2.0.0 OK")
    assert len(bench.mailbox) == 1


async def test_other_mail_does_not_wait_for_a_slow_address(bench: Bench) -> None:
    slow = asyncio.create_task(bench.send("slow+1@example.org"))
    assert (await bench.send("anna@example.org"))[0] == 250
    assert not slow.done()
    assert (await slow)[0] == 250


def received(to: str, header: bytes = b"") -> Received:
    return Received(1, START, "b1@bounces.test", (to,), header + MESSAGE, "127.0.0.1", "mail.test", "")


@pytest.mark.parametrize(
    ("act", "read"), [(Act.LATE_REPORT, dsn.parse), (Act.COMPLAIN, arf.parse)], ids=["report", "complaint"]
)
def test_what_the_lab_reports_is_what_the_product_reads(act: Act, read: Callable[[bytes], object]) -> None:
    mail = received("late-dsn@example.org")
    assert read(report(act, mail, "late-dsn@example.org", mail.mail_from, START, bytes(16))) is not None


def test_a_late_report_names_the_failed_recipient() -> None:
    mail = received("late-dsn@example.org")
    found = dsn.parse(report(Act.LATE_REPORT, mail, "late-dsn@example.org", mail.mail_from, START, bytes(16)))
    assert found is not None
    assert [(each.final_recipient, each.action, each.status) for each in found.recipients] == [
        ("late-dsn@example.org", "failed", "5.1.1")
    ]


def test_an_automatic_reply_says_that_it_is_one() -> None:
    mail = received("out-of-office@example.org")
    content = report(Act.AUTO_REPLY, mail, "out-of-office@example.org", mail.mail_from, START, bytes(16))
    assert dsn.is_auto_reply(headers.split(content)[0])


def test_a_complaint_goes_to_the_address_the_mail_names_for_it() -> None:
    assert complaint_address(b"CFBL-Address: c123@bounces.test; report=arf\r\n") == "c123@bounces.test"
    assert complaint_address(b"Subject: x\r\n") is None
