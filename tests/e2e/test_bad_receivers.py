"""Receivers that hang up, change their minds, babble, or take their time: what becomes of the mail, through the whole corridor."""

import asyncio
import time

from tests.e2e.receiving import QUICK, House, in_turn
from tests.lab_servers import CLOSE, RESET, SILENCE, Sink, until

from posthouse.delivery.courier import Timeouts
from posthouse.ledger import timeline
from posthouse.model.outcome import Outcome, Stage
from posthouse.model.words import EventKind, State

OK = b"250 2.0.0 ok\r\n"
ONCE = [Outcome.TRANSIENT]


async def test_a_disconnect_in_mail_is_a_delay(house: House) -> None:
    async with house.receiver({"MAIL": in_turn(CLOSE, OK)}) as receiver:
        first, _ = await house.delivered_after("bob@mail-cut.test", ONCE)
    assert first.stage is Stage.MAIL
    assert len(receiver.mails) == 1


async def test_a_disconnect_in_data_is_a_delay(house: House) -> None:
    async with house.receiver({"DATA": in_turn([CLOSE], [RESET], b"354 go\r\n")}) as receiver:
        found = await house.delivered_after("bob@data-cut.test", ONCE * 2)
    assert {attempt.stage for attempt in found[:2]} <= {Stage.DATA, Stage.RCPT, Stage.MAIL}
    assert len(receiver.mails) == 1


async def test_a_disconnect_after_the_dot_is_unknown_shown_so_and_tried_again(house: House) -> None:
    async with house.receiver({"DOT": in_turn(CLOSE, OK)}) as receiver:
        accepted = await house.corridor.send("bob@dot-cut.test")
        await house.row(accepted)
        attempts = await house.tried(accepted, 2)
        async with house.yard.database.acquire() as connection:
            rows = await timeline.events(connection, house.corridor.submitter.workspace_id, accepted.message_id)
    assert [attempt.outcome for attempt in attempts] == [Outcome.UNKNOWN, Outcome.DELIVERED]
    assert [row.kind for row in rows] == [EventKind.ACCEPTED, EventKind.UNKNOWN, EventKind.DELIVERED]
    assert "may arrive twice" in rows[1].data["reason"]
    assert len(receiver.mails) == 2


async def test_421_before_the_banner_is_a_delay(house: House) -> None:
    async with house.receiver({"BANNER": in_turn([b"421 4.3.2 busy\r\n", CLOSE], b"220 hello\r\n")}) as receiver:
        first, _ = await house.delivered_after("bob@early-421.test", ONCE)
    assert (first.stage, first.code, first.text) == (Stage.BANNER, 421, "busy")
    assert len(receiver.mails) == 1


async def test_421_in_mid_session_is_a_delay_and_the_connection_is_dead(house: House) -> None:
    async with house.receiver({"RCPT": in_turn(b"421 4.7.0 slow down\r\n", OK)}) as receiver:
        first, _ = await house.delivered_after("bob@mid-421.test", ONCE)
    assert (first.stage, first.code) == (Stage.RCPT, 421)
    assert receiver.connections == 2, "it said goodbye, even though it did not hang up"


async def test_421_after_the_dot_is_a_delay_and_no_doubt(house: House) -> None:
    async with house.receiver({"DOT": in_turn([b"421 4.3.2 going down\r\n", CLOSE], OK)}) as receiver:
        first, _ = await house.delivered_after("bob@late-421.test", ONCE)
    assert (first.stage, first.code) == (Stage.DOT, 421)
    assert receiver.connections == 2


async def test_452_on_the_third_rcpt_delays_that_recipient_alone(house: House) -> None:
    async with house.receiver({"RCPT": in_turn(OK, OK, b"452 4.5.3 too many recipients\r\n", OK)}) as receiver:
        accepted = await house.corridor.send(*(f"{name}@many.test" for name in "abc"))
        rows = await house.corridor.settled([accepted])
    assert [row.state for row in rows] == [State.DELIVERED] * 3
    assert sorted(row.attempts for row in rows) == [1, 1, 2]
    assert all(len(mail.recipients) == 1 for mail in receiver.mails), "an envelope of ours has one recipient"


async def test_552_for_the_only_recipient_and_after_the_data_is_final_but_says_nothing_of_the_address(
    house: House,
) -> None:
    full = b"552 5.2.2 mailbox full\r\n"
    async with house.receiver({"RCPT": in_turn(full, OK), "DOT": b"552 5.3.4 too big\r\n"}):
        states = []
        for name in ("rcpt", "data"):
            accepted = await house.corridor.send(f"{name}@full.test")
            row = await house.row(accepted)
            states.append((row.state, row.code, (await house.tried(accepted, 1))[0].stage))
        again = await house.corridor.send("rcpt@full.test", "data@full.test")
    assert states == [(State.BOUNCED, 552, Stage.RCPT), (State.BOUNCED, 552, Stage.DOT)]
    assert {each.state for each in again.recipients} == {State.READY}, "neither address is suppressed"


async def test_503_after_reset_means_out_of_step_and_not_a_bad_recipient(house: House) -> None:
    async with house.receiver({"RSET": b"503 5.5.1 bad sequence\r\n"}) as receiver:
        await house.delivered_after("first@reset.test", [])
        second, _ = await house.delivered_after("second@reset.test", ONCE)
    assert second.code == 503
    assert receiver.connections == 2


async def test_a_reply_of_many_lines_is_one_reply_and_is_kept_whole(house: House) -> None:
    lines = b"550-5.7.1 Your mail\r\n550-5.7.1 is not\r\n550 5.7.1 wanted\r\n"
    async with house.receiver({"MAIL": b"250-one\r\n250-two\r\n250 three\r\n", "RCPT": lines}):
        accepted = await house.corridor.send("bob@wordy.test")
        row = await house.row(accepted)
    assert (row.state, row.enhanced) == (State.BOUNCED, "5.7.1")
    assert "Your mail is not wanted" in row.reason


async def test_a_reply_of_ten_megabytes_is_a_delay_and_fills_nobodys_memory(house: House) -> None:
    flood = in_turn(b"250-" + b"x" * 10_000_000, b"250-x\r\n" * 1_500_000, OK)
    async with house.receiver({"RCPT": flood}) as receiver:
        found = await house.delivered_after("bob@flood.test", ONCE * 2)
    assert all(len(attempt.text) < 3_000 and len(attempt.transcript) < 100_000 for attempt in found)
    assert len(receiver.mails) == 1


async def test_a_junk_reply_is_a_delay_and_never_a_bounce(house: House) -> None:
    junk = in_turn(b"\xff\xfe\x00 hello\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"25\r\n", OK)
    async with house.receiver({"MAIL": junk}) as receiver:
        await house.delivered_after("bob@junk.test", ONCE * 3)
    assert len(receiver.mails) == 1


async def test_junk_after_the_dot_is_unknown(house: House) -> None:
    async with house.receiver({"DOT": in_turn(b"whatever\r\n", OK)}):
        await house.delivered_after("bob@dot-junk.test", [Outcome.UNKNOWN])


async def test_a_tarpit_is_given_up_in_time_and_holds_up_nobody_else(house: House) -> None:
    async def drip(receiver: Sink) -> None:
        while True:
            for writer in list(receiver.writers):
                writer.write(b"2")
            await asyncio.sleep(0.05)

    async with house.receiver({"BANNER": in_turn(SILENCE, b"220 hello\r\n")}) as receiver:
        dripping = asyncio.create_task(drip(receiver))
        slow = await house.corridor.send("slow@tarpit.test")
        await until(lambda: receiver.open)
        (attempt,) = await house.tried(slow, 1)
        dripping.cancel()
    assert attempt.outcome is Outcome.TRANSIENT
    assert attempt.stage is Stage.BANNER
    assert (attempt.ended_at - attempt.started_at).total_seconds() < 3 * QUICK.banner_s


async def test_a_receiver_that_answers_the_dot_late_gets_the_mail_once(house: House) -> None:
    assert Timeouts().dot_s == 600, "RFC 5321 4.5.3.2.6: less would make duplicates at slow scanners"
    late_s = (QUICK.command_s + QUICK.dot_s) / 2
    async with house.receiver({"DOT": SILENCE}) as receiver:
        began = time.monotonic()
        accepted = await house.corridor.send("bob@thoughtful.test")
        await until(lambda: receiver.mails)
        await asyncio.sleep(late_s)
        for writer in list(receiver.writers):
            writer.write(b"250 2.0.0 at last\r\n")
        row = await house.row(accepted)
    assert row.state is State.DELIVERED
    assert time.monotonic() - began > late_s
    assert (row.attempts, len(receiver.mails)) == (1, 1)
