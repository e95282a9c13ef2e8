"""The recording receiver in its process, and the SMTP load against it."""

import asyncio
import smtplib
import time

import pytest

from posthouse.bench import smtp_load
from posthouse.bench.failure import BenchError
from posthouse.bench.mails import envelopes
from posthouse.bench.receiver import Receiver, receiving
from posthouse.bench.sink import Door

FAST = Door("fast")
PATIENCE_S = 60.0


async def send(receiver: Receiver, door: str, mails: int, sessions: int = 4) -> float:
    async with asyncio.timeout(PATIENCE_S):
        return await smtp_load.send(("127.0.0.1", receiver.ports[door]), envelopes("x.test"), range(mails), sessions)


async def test_every_mail_is_counted_once_over_all_sessions() -> None:
    async with receiving([FAST]) as receiver:
        await send(receiver, "fast", 1_000, sessions=7)
        tally = await receiver.wait_for("fast", 1_000, PATIENCE_S)
    assert (tally.mails, tally.most_connections) == (1_000, 7)
    assert 0 < tally.first_at <= tally.last_at


async def test_the_mails_of_a_throttled_door_are_taken_at_its_rate_however_many_sessions_bring_them() -> None:
    async with receiving([Door("slow", per_s=100.0)]) as receiver:
        took_s = await send(receiver, "slow", 50)
    assert took_s >= 0.49


async def test_a_stalled_door_takes_nothing_before_its_release() -> None:
    async with receiving([Door("stalled", stalled=True)]) as receiver:
        sending = asyncio.create_task(send(receiver, "stalled", 12))
        async with asyncio.timeout(PATIENCE_S):
            while (await receiver.tally("stalled")).connections < 4:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)
        assert (await receiver.tally("stalled")).mails == 0
        assert not sending.done()
        await receiver.release()
        await sending
        assert (await receiver.tally("stalled")).mails == 12


async def test_a_timed_mail_is_noted_with_its_times_and_its_place() -> None:
    def speak(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S) as client:
            for name in ("user-1", "timed-a"):
                client.sendmail("bench@bench.test", [f"{name}@fast.test"], "Subject: x\r\n\r\n..\r\nend\r\n")
            client.sendmail("bench@bench.test", ["timed-b@fast.test"], "")

    before = time.monotonic()
    async with receiving([FAST]) as receiver:
        await asyncio.to_thread(speak, receiver.ports["fast"])
        timed = (await receiver.tally("fast")).timed
    assert {name: arrival.number for name, arrival in timed.items()} == {"timed-a": 2, "timed-b": 3}
    assert before < timed["timed-a"].begun_at < timed["timed-a"].taken_at < timed["timed-b"].taken_at


async def test_content_is_read_to_its_dot_however_it_is_cut() -> None:
    async with receiving([FAST]) as receiver:
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.ports["fast"])
        writer.write(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n")
        for octet in b"Subject: x\r\n\r\n.\r.\n\r\n.\r\nQUIT\r\n":
            writer.write(bytes([octet]))
            await asyncio.sleep(0)
        said = await reader.read()
        writer.close()
        assert (await receiver.tally("fast")).mails == 1
    assert said.endswith(b"354 Go ahead\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n")


async def test_waiting_for_mail_that_does_not_come_says_how_much_is_missing() -> None:
    async with receiving([FAST]) as receiver:
        await send(receiver, "fast", 3)
        with pytest.raises(BenchError, match="2 of 5 mails did not arrive"):
            await receiver.wait_for("fast", 5, 0.1)


async def test_a_refusal_ends_the_load_with_what_was_said() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 4.3.2 not now\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_S):
        address = server.sockets[0].getsockname()
        with pytest.raises(BenchError, match="not now"):
            await smtp_load.send(address, envelopes("x.test"), range(3), 2)
