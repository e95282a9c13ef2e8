"""Encryption with receivers that offer it, break it, or must not be trusted without it."""

import asyncio
import ssl

import pytest

from lab_servers import CLOSE, SILENCE, STALL, self_signed, sink, until
from posthouse.delivery.courier import ConnectFailure, Envelope, SitePolicy, Timeouts, TlsPolicy
from posthouse.delivery.courier_mx import MxCourier, fixed_route
from posthouse.model.limits import BROKEN_TLS_S
from posthouse.model.outcome import Outcome, Stage
from posthouse.runtime.dns import Resolver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]
QUICK = Timeouts(connect_s=1, banner_s=0.5, command_s=0.5, quit_s=0.2)
OPPORTUNISTIC = SitePolicy(timeouts=QUICK)
REQUIRED = SitePolicy(tls=TlsPolicy.REQUIRED, timeouts=QUICK)
OFFER = b"250-sink.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
AUTH_OFFER = b"250-sink.test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
MAIL = Envelope("from@here.test", ("to@there.test",), [b"Subject: x\r\n\r\nsecret\r\n"])


@pytest.fixture
def certificate(tmp_path):
    return self_signed(tmp_path)


class HandClock:
    def __init__(self):
        self.seconds = 1_000.0

    def now(self):
        raise AssertionError("only durations matter here")

    def monotonic(self):
        return self.seconds


def courier(**options):
    return MxCourier(helo_name="out.here.test", resolver=Resolver(["127.0.0.1:1"]), **options)


def plan(server, user=""):
    return fixed_route(f"{user}127.0.0.1:{server.port}")


async def delivered(connection):
    assert not isinstance(connection, ConnectFailure), connection
    result = await connection.send(MAIL)
    await connection.close()
    return result.outcomes[0].outcome is Outcome.DELIVERED


async def test_a_self_signed_certificate_encrypts_as_well_as_any(certificate):
    async with sink({"EHLO": OFFER}, context=certificate[0]) as server:
        connection = await courier().connect(plan(server), OPPORTUNISTIC)
        assert connection.tls.startswith("TLSv1.3")
        assert ("*", connection.tls) in connection.opening
        assert await connection.usable()
        assert (await connection.send(MAIL)).outcomes[0].outcome is Outcome.DELIVERED
        assert await connection.usable()
        assert await delivered(connection)
        assert all(mail.encrypted for mail in server.mails)
        assert [command[:4] for command in server.commands[:3]] == ["EHLO", "STAR", "EHLO"]


async def test_a_large_message_goes_out_whole_under_tls(certificate):
    content = b"Subject: big\r\n\r\n" + b"a line of a large message\r\n" * 100_000
    async with sink({"EHLO": OFFER}, context=certificate[0]) as server:
        connection = await courier().connect(plan(server), REQUIRED)
        result = await connection.send(Envelope("a@b.test", ("c@d.test",), [content]))
        assert result.outcomes[0].outcome is Outcome.DELIVERED
        await connection.close()
        assert server.mails[0].data == content


async def test_nothing_offered_is_plaintext_or_a_refusal_when_required():
    async with sink() as server:
        connection = await courier().connect(plan(server), OPPORTUNISTIC)
        assert connection.tls == ""
        assert await delivered(connection)
        failure = await courier().connect(plan(server), REQUIRED)
        assert (failure.stage, failure.outcome, failure.reply.enhanced) == (Stage.TLS, Outcome.TRANSIENT, "4.7.10")
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    "broken",
    [
        [b"220 go ahead\r\n", CLOSE],
        [b"220 go ahead\r\n250 injected\r\n"],
        [b"220 go ahead\r\nnot TLS at all\r\n"],
        SILENCE,
        CLOSE,
    ],
)
async def test_starttls_offered_and_broken_means_plaintext_on_a_new_connection(broken, tmp_path):
    useless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake succeeds
    async with sink({"EHLO": OFFER, "STARTTLS": broken}, context=useless) as server:
        connection = await courier().connect(plan(server), OPPORTUNISTIC)
        assert connection.tls == ""
        assert await delivered(connection)
        assert server.connections == 2
        assert ("C", "STARTTLS") in connection.opening
        failure = await courier().connect(plan(server), REQUIRED)
        assert (failure.stage, failure.outcome) == (Stage.TLS, Outcome.TRANSIENT)
        assert len(server.mails) == 1


async def test_broken_tls_is_remembered_for_a_while_but_never_when_required():
    clock = HandClock()
    useless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with sink({"EHLO": OFFER}, context=useless) as server:
        same = courier(clock=clock)
        for connections in (2, 3):
            assert await delivered(await same.connect(plan(server), OPPORTUNISTIC))
            assert server.connections == connections
        assert isinstance(await same.connect(plan(server), REQUIRED), ConnectFailure)
        clock.seconds += BROKEN_TLS_S + 1
        assert await delivered(await same.connect(plan(server), OPPORTUNISTIC))
        assert server.counts["STARTTLS"] == 3


async def test_a_refused_starttls_goes_on_in_the_clear_after_another_ehlo():
    async with sink({"EHLO": OFFER, "STARTTLS": b"454 4.7.0 not now\r\n"}) as server:
        assert await delivered(await courier().connect(plan(server), OPPORTUNISTIC))
        assert [command[:4] for command in server.commands[:4]] == ["EHLO", "STAR", "EHLO", "MAIL"]
        assert server.connections == 1
        assert isinstance(await courier().connect(plan(server), REQUIRED), ConnectFailure)


async def test_tls_may_be_switched_off(certificate):
    async with sink({"EHLO": OFFER}, context=certificate[0]) as server:
        connection = await courier().connect(plan(server), SitePolicy(tls=TlsPolicy.OFF))
        assert await delivered(connection)
        assert not server.mails[0].encrypted


async def test_a_smart_host_gets_the_password_under_verified_tls_and_the_transcript_does_not(certificate):
    context, path = certificate
    async with sink({"EHLO": AUTH_OFFER}, context=context) as server:
        connection = await courier(ca_file=str(path)).connect(plan(server, "me%40x:se%3Acret@"), OPPORTUNISTIC)
        assert await delivered(connection)
        assert "AUTH PLAIN AG1lQHgAc2U6Y3JldA==" in server.commands
        assert ("C", "AUTH PLAIN <secret>") in connection.opening
        assert "AG1lQHg" not in str(connection.opening)


async def test_auth_login_works_where_plain_is_not_offered(certificate):
    context, path = certificate
    offer = AUTH_OFFER.replace(b"PLAIN ", b"")
    replies = [[b"334 VXNlcm5hbWU6\r\n"]]
    reactions = {"EHLO": offer, "AUTH": replies[0], "bWU=": b"334 UGFzc3dvcmQ6\r\n", "BWU=": b"334 UGFzc3dvcmQ6\r\n"}
    reactions["C2VJ"] = b"235 2.7.0 welcome\r\n"
    async with sink(reactions, context=context) as server:
        connection = await courier(ca_file=str(path)).connect(plan(server, "me:secret@"), OPPORTUNISTIC)
        assert await delivered(connection)
        assert [text for who, text in connection.opening if who == "C"][-3:] == ["AUTH LOGIN", "<secret>", "<secret>"]


async def test_a_password_never_goes_to_a_certificate_nobody_vouches_for(certificate):
    async with sink({"EHLO": AUTH_OFFER}, context=certificate[0]) as server:
        failure = await courier().connect(plan(server, "me:secret@"), OPPORTUNISTIC)
        assert (failure.stage, failure.outcome) == (Stage.TLS, Outcome.TRANSIENT)
        assert server.connections == 1
        assert not any(command.startswith("AUTH") for command in server.commands)


async def test_a_password_never_goes_out_in_the_clear():
    async with sink({"EHLO": b"250-sink.test\r\n250 AUTH PLAIN\r\n"}) as server:
        failure = await courier().connect(plan(server, "me:secret@"), SitePolicy(tls=TlsPolicy.OFF, timeouts=QUICK))
        assert failure.stage is Stage.TLS
        assert not any(command.startswith("AUTH") for command in server.commands)


async def test_a_wrong_password_is_our_trouble_and_not_the_recipients(certificate):
    context, path = certificate
    async with sink({"EHLO": AUTH_OFFER, "AUTH": b"535 5.7.8 no\r\n"}, context=context) as server:
        failure = await courier(ca_file=str(path)).connect(plan(server, "me:no@"), OPPORTUNISTIC)
        assert (failure.stage, failure.outcome, failure.reply.code) == (Stage.AUTH, Outcome.TRANSIENT, 535)


async def test_cancelling_amid_the_handshake_leaves_nothing_open(open_sockets):
    before = open_sockets()
    async with sink({"EHLO": OFFER, "STARTTLS": [SILENCE, STALL]}) as server:
        connecting = asyncio.ensure_future(courier().connect(plan(server), OPPORTUNISTIC))
        await until(lambda: "STARTTLS" in server.commands)
        for writer in server.writers:
            writer.write(b"220 go ahead\r\n")
        await asyncio.sleep(0.02)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await until(lambda: len(open_sockets()) <= len(before) + 2)  # the receiver's two, listening and stalled
