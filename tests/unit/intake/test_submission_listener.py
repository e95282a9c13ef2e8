"""The socket side of the SMTP roles, over real sockets on loopback: admission, TLS, time, back pressure and leaving."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from posthouse.intake.answers import Answer, HangUp, LaterAnswer, Yes
from posthouse.intake.connection import Connection
from posthouse.intake.listener import Listener
from posthouse.model.limits import SMTP_ANSWER_S, SMTP_EXCHANGE_S, SMTP_IDLE_S
from posthouse.runtime.network import ensure_self_signed
from posthouse.wire.smtp_server_events import MessageReceived, Question, ServerConfig


class Recorder:
    """A session that takes everything; `decide` may say otherwise about messages."""

    def __init__(self, decide: Callable[[MessageReceived], Answer | LaterAnswer] = lambda _: Yes()) -> None:
        self.messages: list[MessageReceived] = []
        self._decide = decide

    def opened(self) -> bool:
        return False

    def answer(self, question: Question) -> Answer | LaterAnswer:
        if isinstance(question, MessageReceived):
            self.messages.append(question)
            return self._decide(question)
        return Yes()


class Running:
    """A listener with one port, and raw clients for it."""

    def __init__(self, listener: Listener, port: int, stopping: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.listener, self.port, self.stopping, self.task = listener, port, stopping, task

    async def client(self) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Client(reader, writer)


class Client:
    """Sends lines, reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        lines = []
        while line := (await self._line()).decode():
            lines.append(line)
            if line[3:4] != "-":
                break
        return "".join(lines)

    async def say(self, text: str) -> str:
        self.writer.write(text.encode() + b"\r\n")
        return await self.reply()

    async def _line(self) -> bytes:
        async with asyncio.timeout(30):
            return await self.reader.readline()

    async def ended(self) -> bool:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(30):
                return await self.reader.read() == b""
        return True

    async def into_data(self) -> None:
        await self.reply()
        for line in ("EHLO me.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA"):
            await self.say(line)

    def close(self) -> None:
        self.writer.close()


@contextlib.asynccontextmanager
async def running(
    session: Recorder, tls: ssl.SSLContext | None = None, most: int = 10, most_of_one: int = 10, implicit: bool = False
) -> AsyncIterator[Running]:
    listener = Listener(
        lambda _: session,
        log=structlog.get_logger(),
        tls=tls,
        most=most,
        most_of_one=most_of_one,
        source_of=lambda ip: ip,
    )
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    port = bound.getsockname()[1]
    config = ServerConfig(hostname="mail.test", starttls=tls is not None and not implicit, implicit_tls=implicit)
    await listener.listen(bound, config)
    stopping = asyncio.Event()
    task = asyncio.create_task(listener.run(stopping))
    try:
        yield Running(listener, port, stopping, task)
    finally:
        stopping.set()
        async with asyncio.timeout(40):
            await task


@pytest.fixture
def server_tls(tmp_path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ensure_self_signed(tmp_path, "mail.test"))
    return context


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another task will bring about."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the code under test has no event to wait for
            await asyncio.sleep(0.001)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_a_pipelined_client_gets_every_reply_in_order() -> None:
    session = Recorder()
    async with running(session) as server:
        client = await server.client()
        await client.reply()
        client.writer.write(b"EHLO me.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
        replies = [await client.reply() for _ in range(4)]
        assert [reply[:3] for reply in replies] == ["250", "250", "250", "354"]
        assert (await client.say("Subject: x\r\n\r\nHi\r\n.")).startswith("250 2.0.0")
        assert session.messages[0].data == b"Subject: x\r\n\r\nHi\r\n"
        client.close()


async def test_an_answer_that_takes_time_holds_back_the_commands_behind_it() -> None:
    allowed = asyncio.Event()

    async def later() -> Answer:
        await allowed.wait()
        return Yes("Taken late")

    async with running(Recorder(lambda _: later())) as server:
        client = await server.client()
        await client.into_data()
        client.writer.write(b"x: y\r\n\r\n.\r\nNOOP\r\n")
        for _ in range(20):
            client.writer.write(b"NOOP\r\n")
            await asyncio.sleep(0)
        allowed.set()
        assert await client.reply() == "250 2.0.0 Taken late\r\n"
        assert [(await client.reply())[:3] for _ in range(21)] == ["250"] * 21
        client.close()


@pytest.mark.parametrize("last", [b".\r\nQUIT\r\n", b".\r\n"])
async def test_a_client_that_closes_its_side_behind_the_dot_still_hears_that_its_mail_was_taken(last: bytes) -> None:
    allowed = asyncio.Event()

    async def later() -> Answer:
        await allowed.wait()
        return Yes("Taken late")

    session = Recorder(lambda _: later())
    async with running(session) as server:
        client = await server.client()
        await client.into_data()
        client.writer.write(b"x: y\r\n\r\n" + last)
        client.writer.write_eof()
        await until(lambda: bool(session.messages))
        await asyncio.sleep(0.05)  # for the end to arrive as well
        allowed.set()
        assert await client.reply() == "250 2.0.0 Taken late\r\n"
        assert b"QUIT" not in last or (await client.reply()).startswith("221")
        assert await client.ended()
        await until(lambda: len(server.listener) == 0)
        client.close()


async def test_an_exception_in_a_session_is_451_and_the_connection_goes_on() -> None:
    def broken(_: MessageReceived) -> Answer:
        raise RuntimeError("a bug")

    async def broken_later() -> Answer:
        raise RuntimeError("a bug")

    for decide in (broken, lambda _: broken_later()):
        async with running(Recorder(decide)) as server:
            client = await server.client()
            await client.into_data()
            assert (await client.say("x: y\r\n\r\n.")).startswith("451 4.3.0")
            assert (await client.say("NOOP")).startswith("250")
            client.close()


async def test_storage_that_is_gone_is_451() -> None:
    async def gone() -> Answer:
        raise ConnectionResetError("server closed the connection")

    async with running(Recorder(lambda _: gone())) as server:
        client = await server.client()
        await client.into_data()
        assert (await client.say("x: y\r\n\r\n.")).startswith("451 4.3.0 Storage")
        client.close()


async def test_a_session_may_hang_up_without_a_word() -> None:
    async with running(Recorder(lambda _: HangUp.NOW)) as server:
        client = await server.client()
        await client.into_data()
        assert await client.say("x: y\r\n\r\n.") == ""
        assert await client.ended()
        client.close()


async def test_one_connection_too_many_is_told_so_and_a_place_freed_is_given_again() -> None:
    async with running(Recorder(), most_of_one=2) as server:
        first, second, third = [await server.client() for _ in range(3)]
        assert (await first.reply()).startswith("220")
        assert (await second.reply()).startswith("220")
        assert (await third.reply()).startswith("421 4.7.0")
        assert await third.ended()
        assert (await first.say("QUIT")).startswith("221")
        assert await first.ended()
        await until(lambda: len(server.listener) == 1)
        fourth = await server.client()
        assert (await fourth.reply()).startswith("220")
        for client in (first, second, third, fourth):
            client.close()


def _checked(server: Running) -> Connection:
    (connection,) = server.listener._connections
    return connection


async def test_a_silent_client_is_sent_away_after_five_minutes() -> None:
    async with running(Recorder()) as server:
        client = await server.client()
        await client.reply()
        connection = _checked(server)
        connection.check(server.listener.now + SMTP_IDLE_S - 5)
        assert (await client.say("NOOP")).startswith("250")
        connection.check(server.listener.now + SMTP_IDLE_S + 5)
        assert (await client.reply()).startswith("421 4.4.2")
        client.close()


async def test_a_client_that_drips_octets_is_sent_away_after_ten_minutes() -> None:
    async with running(Recorder()) as server:
        client = await server.client()
        await client.into_data()
        connection, start = _checked(server), server.listener.now
        for elapsed in range(0, SMTP_EXCHANGE_S, 200):
            server.listener.now = start + elapsed
            client.writer.write(b"x")
            await client.writer.drain()
            await asyncio.sleep(0.01)
            connection.check(server.listener.now)
        connection.check(start + SMTP_EXCHANGE_S + 5)
        assert (await client.reply()).startswith("421 4.4.2")
        client.close()


async def test_an_answer_that_takes_longer_than_the_client_waits_becomes_451() -> None:
    async def never() -> Answer:
        await asyncio.Event().wait()
        return Yes()

    async with running(Recorder(lambda _: never())) as server:
        client = await server.client()
        await client.into_data()
        client.writer.write(b"x: y\r\n\r\n.\r\n")
        connection = _checked(server)
        await until(lambda: connection._machine.awaiting)
        connection.check(server.listener.now + SMTP_ANSWER_S + 5)
        assert (await client.reply()).startswith("451 4.4.5")
        client.close()


async def test_stopping_lets_an_open_transaction_end_and_sends_idle_clients_away() -> None:
    session = Recorder()
    async with running(session) as server:
        idle, busy = await server.client(), await server.client()
        await idle.reply()
        await busy.into_data()
        server.stopping.set()
        assert (await idle.reply()).startswith("421 4.3.2")
        client_reply = await busy.say("x: y\r\n\r\n.")
        assert client_reply.startswith("250 2.0.0")
        assert (await busy.reply()).startswith("421 4.3.2")
        async with asyncio.timeout(30):
            await server.task
        assert len(session.messages) == 1
        idle.close()
        busy.close()


def _send_with_tls(port: int, implicit: bool) -> dict[str, tuple[int, bytes]]:
    if implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", port, context=trusting(), timeout=10)
    else:
        client = smtplib.SMTP("127.0.0.1", port, timeout=10)
        client.starttls(context=trusting())
    with client:
        return client.sendmail("a@b.test", ["c@d.test"], b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n")


@pytest.mark.parametrize("implicit", [False, True])
async def test_mail_comes_through_starttls_and_implicit_tls(server_tls: ssl.SSLContext, implicit: bool) -> None:
    session = Recorder()
    async with running(session, server_tls, implicit=implicit) as server:
        refused = await asyncio.to_thread(_send_with_tls, server.port, implicit)
        assert refused == {}
        assert session.messages[0].protocol == "ESMTPS"


async def test_commands_sent_together_with_starttls_never_reach_the_protected_session(
    server_tls: ssl.SSLContext,
) -> None:
    async with running(Recorder(), server_tls) as server:
        client = await server.client()
        await client.reply()
        await client.say("EHLO me.test")
        client.writer.write(b"STARTTLS\r\nMAIL FROM:<evil@b.test>\r\n")
        assert (await client.reply()).startswith("554 5.5.1")
        assert await client.ended()
        client.close()


async def test_a_handshake_that_fails_ends_that_connection_only(server_tls: ssl.SSLContext) -> None:
    async with running(Recorder(), server_tls) as server:
        client = await server.client()
        await client.reply()
        await client.say("EHLO me.test")
        assert (await client.say("STARTTLS")).startswith("220")
        client.writer.write(b"this is not a handshake\r\n" * 10)
        await client.ended()
        other = await server.client()
        assert (await other.reply()).startswith("220")
        client.close()
        other.close()


async def test_a_client_that_does_not_read_its_replies_is_not_read_from_either() -> None:
    async with running(Recorder()) as server:
        client = await server.client()
        await client.reply()
        connection = _checked(server)
        connection.pause_writing()
        assert not connection._transport.is_reading()
        client.writer.write(b"NOOP\r\n")
        connection.resume_writing()
        assert connection._transport.is_reading()
        assert (await client.reply()).startswith("250")
        client.close()


async def test_many_clients_that_break_off_anywhere_leave_nothing_behind() -> None:
    session = Recorder()
    pieces = b"EHLO me.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx: y\r\n\r\nHello\r\n.\r\nQUIT\r\n"
    async with running(session, most=200, most_of_one=200) as server:

        def break_off(length: int) -> None:
            with socket.create_connection(("127.0.0.1", server.port)) as peer:
                peer.sendall(pieces[:length])
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

        threads = [threading.Thread(target=break_off, args=(length,)) for length in range(0, len(pieces), 2)]
        await asyncio.to_thread(lambda: [thread.start() for thread in threads])
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        await until(lambda: len(server.listener) == 0)
        client = await server.client()
        assert (await client.reply()).startswith("220")
        client.close()
