"""One session after another with receivers that do everything a receiver may do, and more."""

import asyncio
import os
import time

import pytest

from lab_servers import CLOSE, RESET, SILENCE, STALL, sink, until
from posthouse.delivery.courier import ConnectFailure, Envelope, SitePolicy, Timeouts
from posthouse.delivery.courier_mx import MxCourier, fixed_route
from posthouse.model.outcome import Outcome, Stage
from posthouse.runtime.dns import Resolver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]
MESSAGE = b"Subject: hello\r\n\r\nHow are you?\r\n"
QUICK = SitePolicy(
    timeouts=Timeouts(connect_s=1, banner_s=0.2, command_s=0.2, data_s=0.2, dot_s=0.4, write_s=0.3, quit_s=0.1)
)
PLAIN_EHLO = b"250-sink.test\r\n250 SIZE 1000\r\n"


def envelope(*recipients, content=MESSAGE, utf8=False):
    return Envelope("from@here.test", recipients or ("to@there.test",), [content], utf8)


def courier(**options):
    return MxCourier(helo_name="out.here.test", resolver=Resolver(["127.0.0.1:1"]), **options)


async def connect(server, policy=QUICK):
    return await courier().connect(fixed_route(f"127.0.0.1:{server.port}"), policy)


async def send_one(reactions, *recipients, content=MESSAGE, utf8=False):
    """The result of a first mail, on a connection closed afterwards."""
    async with sink(reactions) as server:
        connection = await connect(server)
        try:
            return await connection.send(envelope(*recipients, content=content, utf8=utf8)), server
        finally:
            await connection.close()


def only(result):
    (outcome,) = result.outcomes
    return outcome


async def test_a_mail_is_delivered_in_one_flight_and_the_dialogue_kept():
    result, server = await send_one({}, "a@there.test", "b@there.test", content=b"A: b\r\n\r\n.dot\r\n..\r\nno end")
    assert [o.outcome for o in result.outcomes] == [Outcome.DELIVERED] * 2
    assert str(result.outcomes[0].reply) == "250 2.0.0 queued as ABC"
    assert server.mails[0].data == b"A: b\r\n\r\n..dot\r\n...\r\nno end\r\n"
    assert (
        b"MAIL FROM:<from@here.test> SIZE=26\r\nRCPT TO:<a@there.test>\r\nRCPT TO:<b@there.test>\r\nDATA\r\n"
        in server.flights
    )
    assert ("C", "<26 octets>") in result.transcript
    assert result.transcript[-1] == ("S", "250 2.0.0 queued as ABC")
    assert server.commands[-1] == "QUIT"


async def test_reset_comes_before_the_second_mail_only_and_in_its_flight():
    async with sink() as server:
        connection = await connect(server)
        for _ in range(3):
            assert await connection.usable()
            assert only(await connection.send(envelope())).outcome is Outcome.DELIVERED
        await connection.close()
        assert server.commands.count("RSET") == 2
        assert server.commands[1].startswith("MAIL")
        assert (
            sum(flight.startswith(b"RSET\r\nMAIL") and flight.endswith(b"DATA\r\n") for flight in server.flights) == 2
        )
        assert server.connections == 1
        assert connection.sent == 3


async def test_without_pipelining_each_command_waits_for_its_reply():
    result, server = await send_one({"EHLO": PLAIN_EHLO}, "a@there.test", "b@there.test")
    assert [o.outcome for o in result.outcomes] == [Outcome.DELIVERED] * 2
    assert b"MAIL FROM:<from@here.test> SIZE=32\r\n" in server.flights
    assert b"DATA\r\n" in server.flights


async def test_a_receiver_that_knows_only_helo_gets_the_mail():
    result, server = await send_one({"EHLO": b"502 5.5.2 no such thing\r\n"})
    assert only(result).outcome is Outcome.DELIVERED
    assert server.commands[:3] == ["EHLO out.here.test", "HELO out.here.test", "MAIL FROM:<from@here.test>"]


@pytest.mark.parametrize(
    ("reactions", "outcome", "stage", "code"),
    [
        ({"MAIL": b"550 5.7.1 not you\r\n"}, Outcome.PERMANENT, Stage.MAIL, 550),
        ({"MAIL": b"451 4.7.1 later\r\n"}, Outcome.TRANSIENT, Stage.MAIL, 451),
        ({"MAIL": [b"550 5.7.1 blocked\r\n", CLOSE]}, Outcome.PERMANENT, Stage.MAIL, 550),
        ({"RCPT": b"550 5.1.1 unknown\r\n"}, Outcome.PERMANENT, Stage.RCPT, 550),
        ({"RCPT": b"450 4.2.0 greylisted\r\n"}, Outcome.TRANSIENT, Stage.RCPT, 450),
        ({"RCPT": b"503 5.5.1 out of step\r\n"}, Outcome.TRANSIENT, Stage.RCPT, 503),
        ({"RCPT": b"354 what\r\n"}, Outcome.TRANSIENT, Stage.RCPT, 354),
        ({"RCPT": b"552 5.2.2 mailbox full\r\n"}, Outcome.PERMANENT, Stage.RCPT, 552),
        ({"RCPT": b"550 4.7.1 contradiction\r\n"}, Outcome.TRANSIENT, Stage.RCPT, 550),
        ({"DATA": b"554 5.7.1 no\r\n"}, Outcome.PERMANENT, Stage.DATA, 554),
        ({"DATA": b"503 5.5.1 no\r\n"}, Outcome.TRANSIENT, Stage.DATA, 503),
        ({"DATA": b"250 2.0.0 fine\r\n"}, Outcome.TRANSIENT, Stage.DATA, 250),
        ({"DOT": b"552 5.3.4 too big\r\n"}, Outcome.PERMANENT, Stage.DOT, 552),
        ({"DOT": b"550 5.7.1 spam\r\n"}, Outcome.PERMANENT, Stage.DOT, 550),
        ({"DOT": b"451 4.3.0 disk\r\n"}, Outcome.TRANSIENT, Stage.DOT, 451),
        ({"DOT": b"503 5.5.1 what\r\n"}, Outcome.TRANSIENT, Stage.DOT, 503),
        ({"DOT": [b"421 4.3.2 going down\r\n", CLOSE]}, Outcome.TRANSIENT, Stage.DOT, 421),
        ({"MAIL": [b"421 4.7.0 slow down\r\n", CLOSE]}, Outcome.TRANSIENT, Stage.MAIL, 421),
        ({"DATA": [b"421 4.7.0 slow down\r\n", CLOSE]}, Outcome.TRANSIENT, Stage.DATA, 421),
        ({"DATA": [b"354 go\r\n421 4.3.2 changed my mind\r\n", CLOSE]}, Outcome.TRANSIENT, Stage.DATA, 421),
        ({"MAIL": CLOSE}, Outcome.TRANSIENT, Stage.MAIL, 451),
        ({"DATA": CLOSE}, Outcome.TRANSIENT, Stage.DATA, 451),
        ({"RCPT": RESET}, Outcome.TRANSIENT, None, 451),
        ({"DOT": CLOSE}, Outcome.UNKNOWN, Stage.DOT, 451),
        ({"DOT": RESET}, Outcome.UNKNOWN, Stage.DOT, 451),
        ({"DOT": b"whatever\r\n"}, Outcome.UNKNOWN, Stage.DOT, 451),
        ({"RCPT": b"whatever\r\n"}, Outcome.TRANSIENT, Stage.RCPT, 451),
        ({"RCPT": b"250-one\r\n251 two\r\n"}, Outcome.TRANSIENT, Stage.RCPT, 451),
        ({"RCPT": b"250-" + b"x" * 10_000_000}, Outcome.TRANSIENT, Stage.RCPT, 451),
        ({"RCPT": b"250-x\r\n" * 1_500_000}, Outcome.TRANSIENT, Stage.RCPT, 451),
        ({"RCPT": SILENCE, "EHLO": PLAIN_EHLO}, Outcome.TRANSIENT, Stage.RCPT, 451),
        ({"DOT": SILENCE}, Outcome.UNKNOWN, Stage.DOT, 451),
    ],
)
async def test_each_answer_means_what_the_rules_say(reactions, outcome, stage, code):
    result, _ = await send_one(reactions)
    got = only(result)
    assert got.outcome is outcome
    assert stage is None or got.stage is stage
    assert got.reply.code == code


async def test_recipients_have_outcomes_of_their_own():
    replies = [b"250 ok\r\n", b"550 5.1.1 unknown\r\n", b"450 4.2.1 busy\r\n"]
    result, server = await send_one({"RCPT": lambda n: replies[n]}, "a@t.test", "b@t.test", "c@t.test")
    assert [o.outcome for o in result.outcomes] == [Outcome.DELIVERED, Outcome.PERMANENT, Outcome.TRANSIENT]
    assert [o.address for o in result.outcomes] == ["a@t.test", "b@t.test", "c@t.test"]
    assert not any(o.excess for o in result.outcomes)
    assert len(server.mails) == 1


@pytest.mark.parametrize("reply", [b"452 4.5.3 too many\r\n", b"452 too many\r\n", b"552 too many\r\n"])
async def test_too_many_recipients_is_no_refusal_of_the_third(reply):
    result, _ = await send_one({"RCPT": lambda n: reply if n >= 2 else b"250 ok\r\n"}, "a@t", "b@t", "c@t", "d@t")
    assert [o.excess for o in result.outcomes] == [False, False, True, True]
    assert [o.outcome for o in result.outcomes] == [Outcome.DELIVERED] * 2 + [Outcome.TRANSIENT] * 2


async def test_too_many_for_the_first_recipient_is_a_refusal():
    result, _ = await send_one({"RCPT": b"452 4.5.3 too many\r\n"})
    assert not only(result).excess


async def test_a_lost_connection_keeps_refusals_already_given():
    result, _ = await send_one({"RCPT": lambda n: [b"550 5.1.1 no\r\n", b"250 ok\r\n", CLOSE][n]}, "a@t", "b@t", "c@t")
    assert [o.outcome for o in result.outcomes] == [Outcome.PERMANENT, Outcome.TRANSIENT, Outcome.TRANSIENT]
    result, _ = await send_one({"DOT": CLOSE, "RCPT": lambda n: [b"550 5.1.1 no\r\n", b"250 ok\r\n"][n]}, "a@t", "b@t")
    assert [o.outcome for o in result.outcomes] == [Outcome.PERMANENT, Outcome.UNKNOWN]


async def test_data_taken_without_recipients_is_ended_with_a_lone_dot():
    async with sink({"RCPT": lambda n: b"550 5.1.1 no\r\n" if n == 0 else b"250 ok\r\n"}) as server:
        connection = await connect(server)
        assert only(await connection.send(envelope())).outcome is Outcome.PERMANENT
        assert server.mails[0].data == b""
        assert await connection.usable()
        assert only(await connection.send(envelope())).outcome is Outcome.DELIVERED
        await connection.close()


async def test_data_refused_for_want_of_recipients_leaves_the_connection_in_step():
    async with sink({"RCPT": b"550 5.1.1 no\r\n", "DATA": b"503 5.5.1 need RCPT\r\n"}) as server:
        connection = await connect(server)
        assert only(await connection.send(envelope())).stage is Stage.RCPT
        assert await connection.usable()
        await connection.close()


async def test_503_after_reset_defers_the_mail_and_ends_the_connection():
    async with sink({"RSET": b"503 5.5.1 no\r\n"}) as server:
        connection = await connect(server)
        await connection.send(envelope())
        result = await connection.send(envelope())
        assert only(result).outcome is Outcome.TRANSIENT
        assert not result.stale
        assert not await connection.usable()
        await connection.close()
        assert len(server.mails) == 1


async def test_a_goodbye_while_idle_is_noticed_before_the_next_mail():
    async with sink({"DOT": [b"250 ok\r\n421 4.4.2 idle\r\n", CLOSE]}) as server:
        connection = await connect(server)
        assert only(await connection.send(envelope())).outcome is Outcome.DELIVERED
        await until(lambda: not server.open)
        assert not await connection.usable()
        await connection.close()


async def test_bytes_still_in_the_kernel_are_seen_by_usable():
    async with sink() as server:
        connection = await connect(server)
        await connection.send(envelope())
        for writer in server.writers:
            os.write(writer.transport.get_extra_info("socket").fileno(), b"421 4.4.2 idle\r\n")
        assert not await connection.usable()
        await connection.close()


async def test_a_connection_found_dead_at_the_second_mail_is_stale_and_at_the_first_is_not():
    async with sink({"RSET": CLOSE}) as server:
        connection = await connect(server)
        await connection.send(envelope())
        result = await connection.send(envelope())
        assert result.stale
        assert only(result).outcome is Outcome.TRANSIENT
        await connection.close()
    result, _ = await send_one({"MAIL": CLOSE})
    assert not result.stale


async def test_a_421_instead_of_a_second_mail_is_stale_too():
    async with sink({"RSET": [b"421 4.4.2 idle too long\r\n", CLOSE]}) as server:
        connection = await connect(server)
        await connection.send(envelope())
        assert (await connection.send(envelope())).stale
        await connection.close()


async def test_a_silent_receiver_is_not_stale_and_is_hung_up_on():
    async with sink({"RSET": SILENCE}) as server:
        connection = await connect(server)
        await connection.send(envelope())
        assert not (await connection.send(envelope())).stale
        assert not await connection.usable()
        await connection.close()


async def test_a_tarpit_cannot_stretch_the_time_for_a_reply():
    async with sink({"RCPT": SILENCE}) as server:
        connection = await connect(server)
        sending = asyncio.ensure_future(connection.send(envelope()))
        started = time.monotonic()
        while not sending.done():
            for writer in server.writers:
                writer.write(b"250-wait\r\n" if server.counts.get("RCPT") else b"")
            await asyncio.sleep(0.02)
        assert time.monotonic() - started < 10
        assert only(sending.result()).outcome is Outcome.TRANSIENT
        await connection.close()


async def test_a_receiver_may_think_long_after_the_dot():
    async def late(server):
        await until(lambda: server.mails)
        await asyncio.sleep(0.25)  # beyond the limit of a command, within that of the dot
        for writer in server.writers:
            writer.write(b"250 2.0.0 at last\r\n")

    async with sink({"DOT": SILENCE}) as server:
        connection = await connect(server)
        result, _ = await asyncio.gather(connection.send(envelope()), late(server))
        assert only(result).outcome is Outcome.DELIVERED
        await connection.close()


async def test_a_large_message_goes_out_whole():
    content = b"Subject: big\r\n\r\n" + b".line of a large message\r\n" * 200_000
    result, server = await send_one({}, content=content)
    assert only(result).outcome is Outcome.DELIVERED
    assert server.mails[0].data == content.replace(b"\r\n.", b"\r\n..")


async def test_a_receiver_that_stops_reading_amid_a_large_message_leaves_no_doubt():
    content = b"x" * 76 + b"\r\n"
    async with sink({"DATA": [b"354 go\r\n", STALL]}) as server:
        connection = await connect(server)
        result = await connection.send(envelope(content=content * 300_000))
        assert only(result).outcome is Outcome.TRANSIENT
        assert only(result).stage is Stage.DATA
        await connection.close()


async def test_an_objection_amid_a_large_message_is_the_answer():
    content = b"x" * 76 + b"\r\n"
    async with sink({"DATA": [b"354 go\r\n"]}) as server:
        connection = await connect(server)
        sending = asyncio.ensure_future(connection.send(envelope(content=content * 300_000)))
        await until(lambda: "DATA" in server.commands)
        for writer in server.writers:
            writer.write(b"421 4.3.2 disk on fire\r\n")
        result = await sending
        assert only(result).reply.code == 421
        await connection.close()
        assert not server.mails


async def test_a_message_beyond_the_size_of_the_receiver_never_leaves():
    result, server = await send_one({"EHLO": b"250-x\r\n250 SIZE 10\r\n"})
    assert str(only(result).reply).startswith("552 5.3.4")
    assert (only(result).outcome, only(result).stage) == (Outcome.PERMANENT, Stage.LOCAL)
    assert not any(command.startswith("MAIL") for command in server.commands)


async def test_an_internationalised_address_needs_a_receiver_that_takes_it():
    result, _ = await send_one({"EHLO": PLAIN_EHLO}, "grå@there.test", utf8=True)
    assert only(result).reply.enhanced == "5.6.7"
    assert (only(result).outcome, only(result).stage) == (Outcome.PERMANENT, Stage.LOCAL)
    result, server = await send_one({}, "grå@there.test", utf8=True)
    assert only(result).outcome is Outcome.DELIVERED
    assert "MAIL FROM:<from@here.test> SIZE=32 BODY=8BITMIME SMTPUTF8" in server.commands
    assert "RCPT TO:<grå@there.test>" in server.commands


async def test_eight_bit_content_is_declared_where_that_is_known_and_sent_anyway_where_not():
    content = "Subject: x\r\n\r\nblåbær\r\n".encode()
    _, server = await send_one({}, content=content)
    assert "BODY=8BITMIME" in server.commands[1]
    result, server = await send_one({"EHLO": PLAIN_EHLO}, content=content)
    assert "BODY" not in server.commands[1]
    assert only(result).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\r", b"\n.\r\n", b"a\r\r\n"])
async def test_message_data_with_a_bare_line_end_is_our_bug(content):
    async with sink() as server:
        connection = await connect(server)
        with pytest.raises(ValueError, match="bare"):
            await connection.send(envelope(content=content))
        assert await connection.usable()
        await connection.close()


@pytest.mark.parametrize("address", ["a@b\r\nRCPT TO:<x@y>", "a> SIZE=1 <b@c", "a\0@b", "grå@b", "a b@c"])
async def test_an_address_that_would_break_the_command_is_our_bug(address):
    async with sink() as server:
        connection = await connect(server)
        with pytest.raises(ValueError, match="address"):
            await connection.send(envelope(address))
        await connection.close()
        assert not any(command.startswith(("MAIL", "RCPT")) for command in server.commands)


async def test_cancelling_a_mail_ends_its_connection():
    async with sink({"DOT": SILENCE}) as server:
        connection = await connect(server)
        sending = asyncio.ensure_future(connection.send(envelope()))
        await until(lambda: server.mails)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not await connection.usable()
        await connection.close()


async def test_closing_does_not_wait_for_a_receiver_that_never_says_goodbye():
    async with sink({"QUIT": SILENCE}) as server:
        connection = await connect(server)
        started = time.monotonic()
        await connection.close()
        await connection.close()
        assert time.monotonic() - started < 10
        assert server.commands[-1] == "QUIT"


async def test_the_opening_dialogue_is_kept_apart_from_the_mails():
    async with sink() as server:
        connection = await connect(server)
        assert connection.opening[0] == ("*", f"connecting to 127.0.0.1 [127.0.0.1]:{server.port}")
        assert ("S", "220 sink.test ESMTP") in connection.opening
        assert ("C", "EHLO out.here.test") in connection.opening
        result = await connection.send(envelope())
        assert result.transcript[0][1].startswith("MAIL")
        await connection.close()


async def test_the_transcript_of_an_endless_recipient_list_is_bounded():
    recipients = tuple(f"r{n}@there.test" for n in range(1_000))
    result, _ = await send_one({}, *recipients)
    assert all(o.outcome is Outcome.DELIVERED for o in result.outcomes)
    assert len(result.transcript) < 300
    assert any("left out" in text for _, text in result.transcript)
    assert result.transcript[-1][1].startswith("250 2.0.0 queued")


@pytest.mark.parametrize(
    ("reactions", "stage", "outcome", "code"),
    [
        ({"BANNER": [b"421 4.3.2 busy\r\n", CLOSE]}, Stage.BANNER, Outcome.TRANSIENT, 421),
        ({"BANNER": b"554 5.7.1 blocked\r\n"}, Stage.BANNER, Outcome.TRANSIENT, 554),
        ({"BANNER": b"521 5.3.2 no mail here\r\n"}, Stage.BANNER, Outcome.PERMANENT, 521),
        ({"BANNER": CLOSE}, Stage.BANNER, Outcome.TRANSIENT, 451),
        ({"BANNER": SILENCE}, Stage.BANNER, Outcome.TRANSIENT, 451),
        ({"BANNER": b"SSH-2.0-OpenSSH\r\n"}, Stage.BANNER, Outcome.TRANSIENT, 451),
        ({"EHLO": b"450 4.7.1 later\r\n"}, Stage.EHLO, Outcome.TRANSIENT, 450),
        ({"EHLO": b"500 no\r\n", "HELO": b"550 5.7.1 no\r\n"}, Stage.EHLO, Outcome.TRANSIENT, 550),
        ({"EHLO": RESET}, Stage.EHLO, Outcome.TRANSIENT, 451),
    ],
)
async def test_a_session_that_does_not_open_is_reported_with_its_stage(reactions, stage, outcome, code):
    async with sink(reactions) as server:
        failure = await connect(server)
        assert isinstance(failure, ConnectFailure)
        assert (failure.stage, failure.outcome, failure.reply.code) == (stage, outcome, code)
        assert failure.transcript


async def test_replies_that_come_before_their_commands_defer_the_mail_and_deliver_nothing():
    result, server = await send_one({"EHLO": b"250 sink.test\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n"})
    assert only(result).outcome is Outcome.TRANSIENT
    assert (only(result).reply.code, only(result).reply.enhanced) == (451, "4.4.2")
    assert not server.mails
