"""The client machine alone: no socket, no clock, any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.outcome import Outcome, Stage
from posthouse.wire.smtp_client import ClientMachine, MailDone, Ready, SendContent, SessionRefused, TlsPolicy

EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
OPENING = b"220 hello\r\n" + EHLO
CONTENT = b"Subject: x\r\n\r\n.x\r\n"


def machine(tls=TlsPolicy.OFF):
    return ClientMachine(helo_name="out.test", tls=tls)


def ready(opening=OPENING):
    client = machine()
    assert client.receive(opening) == [Ready()]
    client.bytes_to_send()
    return client


def begin(client, *recipients):
    events = client.begin_mail("a@b.test", recipients or ("c@d.test",), [CONTENT], smtputf8=False)
    assert events == []
    return client.bytes_to_send()


def converse(chunks, *recipients):
    """Every event and every byte sent while `chunks` come in, a mail being begun when the session is ready."""
    client, events, sent = machine(), [], b""
    for chunk in chunks:
        for event in client.receive(chunk):
            events.append(event)
            if isinstance(event, Ready):
                begun = client.begin_mail("a@b.test", recipients or ("c@d.test",), [CONTENT], smtputf8=False)
                events += begun
            elif isinstance(event, SendContent):
                sent += client.content() + client.end_of_data()
        sent += client.bytes_to_send()
    events += client.lost("connection closed")
    return events, sent, client


def test_a_mail_in_its_simplest_form():
    client = ready()
    assert begin(client) == b"MAIL FROM:<a@b.test> SIZE=18\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
    assert client.awaited is Stage.MAIL
    assert client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == [SendContent()]
    assert client.content() == b"Subject: x\r\n\r\n..x\r\n"
    assert client.awaited is Stage.DATA
    assert client.end_of_data() == b".\r\n"
    assert client.awaited is Stage.DOT
    (done,) = client.receive(b"250 2.0.0 queued\r\n")
    assert done.outcomes[0].outcome is Outcome.DELIVERED
    assert client.is_idle


def test_a_connection_lost_before_the_dot_is_handed_over_means_nothing_was_sent():
    client = ready()
    begin(client)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.content()
    (done,) = client.lost("reset")
    assert (done.outcomes[0].outcome, done.outcomes[0].stage) == (Outcome.TRANSIENT, Stage.DATA)


def test_a_connection_lost_after_the_dot_was_handed_over_means_nobody_knows():
    client = ready()
    begin(client)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.content()
    client.end_of_data()
    (done,) = client.lost("reset")
    assert (done.outcomes[0].outcome, done.outcomes[0].stage) == (Outcome.UNKNOWN, Stage.DOT)
    assert client.is_dead
    assert client.lost("again") == []


def test_an_answer_before_the_message_was_sent_is_never_a_delivery():
    client = ready()
    begin(client)
    (done,) = client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n250 queued, says the liar\r\n")
    assert done.outcomes[0].outcome is Outcome.TRANSIENT
    assert client.is_dead


def test_a_reply_nobody_asked_for_makes_the_connection_unusable():
    client = ready()
    assert client.receive(b"421 4.4.2 bye\r\n") == []
    assert client.is_dead
    assert client.take_transcript()[-1] == ("S", "421 4.4.2 bye")


def test_replies_after_the_end_of_a_session_are_not_read():
    client = machine()
    assert len(client.receive(b"554 no\r\n220 yes\r\n" + EHLO)) == 1


def test_the_null_sender_and_a_quoted_local_part_are_written_as_they_are():
    client = ready(b"220 hello\r\n250 sink.test\r\n")
    client.begin_mail("", ('"a b>"@c.test',), [CONTENT], smtputf8=False)
    assert client.bytes_to_send() == b"MAIL FROM:<>\r\n"
    client.receive(b"250 ok\r\n")
    assert client.bytes_to_send() == b'RCPT TO:<"a b>"@c.test>\r\n'


def test_without_pipelining_a_refused_mail_is_not_followed_up():
    client = ready(b"220 hello\r\n250 sink.test\r\n")
    begin(client)
    (done,) = client.receive(b"550 5.7.1 no\r\n")
    assert done.outcomes[0].stage is Stage.MAIL
    assert client.is_idle
    assert client.bytes_to_send() == b""


def test_without_pipelining_data_is_not_asked_when_nobody_was_taken():
    client = ready(b"220 hello\r\n250 sink.test\r\n")
    begin(client)
    client.receive(b"250 ok\r\n")
    client.bytes_to_send()
    (done,) = client.receive(b"550 5.1.1 no\r\n")
    assert done.outcomes[0].stage is Stage.RCPT
    assert client.bytes_to_send() == b""


def test_a_size_without_a_limit_is_no_limit():
    for size in (b"SIZE", b"SIZE 0", b"SIZE many"):
        assert b"SIZE=18" in begin(ready(b"220 hello\r\n250-sink.test\r\n250 " + size + b"\r\n"))


def test_the_enhanced_code_is_taken_out_of_every_line():
    client = machine()
    (refused,) = client.receive(b"550-5.7.1 first line\r\n550-5.7.1   second\r\n550 5.7.1 third\x00\x1b[31m\r\n")
    assert refused == SessionRefused(Stage.BANNER, refused.reply)
    assert str(refused.reply) == "550 5.7.1 first line second third [31m"


@pytest.mark.parametrize(
    "line", [b"", b"2", b"25", b"2500", b"250ok", b"150 no", b"600 no", b"x50 no", b" 250 no", b"25\xb2 x"]
)
def test_what_is_no_reply_ends_the_session(line):
    client = ready()
    begin(client)
    (done,) = client.receive(line + b"\r\n")
    assert done.outcomes[0].outcome is Outcome.TRANSIENT
    assert client.is_dead


@pytest.mark.parametrize("line", [b"250", b"250 ", b"250 ok", b"250-ok\r\n250 ok", b"250 \xff\xfe", b"250\r\n"[:-2]])
def test_replies_may_be_terse_or_wordy(line):
    client = ready()
    begin(client)
    assert client.receive(line + b"\n") == []
    assert client.awaited is Stage.RCPT


LINES = b"220 hi|250 ok|354 go|421 bye|450 4.2.1 no|550 5.1.1 no|452 many|503 what|junk|250-a\r\n251 b|250-x\r\n250 y|334 Zm9v"
REPLIES = st.sampled_from([EHLO, *(line + b"\r\n" for line in LINES.split(b"|"))])


@given(st.lists(REPLIES, max_size=12), st.integers(1, 3))
def test_byte_at_a_time_is_the_same_as_reply_at_a_time(replies, count):
    recipients = tuple(f"r{n}@d.test" for n in range(count))
    whole_events, whole_sent, whole = converse(replies, *recipients)
    data = b"".join(replies)
    events, sent, client = converse([data[n : n + 1] for n in range(len(data))], *recipients)
    assert events == whole_events
    assert sent == whole_sent
    assert client.take_transcript() == whole.take_transcript()


@given(st.lists(st.binary(max_size=40) | REPLIES, max_size=20))
def test_whatever_comes_ends_in_an_outcome_and_never_in_an_exception(chunks):
    events, _, client = converse([OPENING, *chunks])
    (done,) = [event for event in events if isinstance(event, MailDone)]
    assert len(done.outcomes) == 1
    assert client.is_dead


@given(st.lists(st.binary(max_size=40) | REPLIES, max_size=20), st.sampled_from(TlsPolicy))
def test_whatever_comes_while_opening_ends_in_an_event(chunks, tls):
    client = machine(tls)
    events = [event for chunk in chunks for event in client.receive(chunk)]
    events += client.lost("closed")
    assert events
    assert client.is_dead


@given(st.lists(REPLIES, max_size=12))
def test_a_delivery_is_only_ever_claimed_after_a_positive_answer_to_the_dot(replies):
    events, sent, _ = converse([OPENING, *replies])
    (done,) = [event for event in events if isinstance(event, MailDone)]
    outcome = done.outcomes[0]
    if outcome.outcome is Outcome.DELIVERED:
        assert sent.endswith(b"..x\r\n.\r\n")
        assert 200 <= outcome.reply.code < 300
    if outcome.outcome is Outcome.UNKNOWN:
        assert sent.endswith(b"\r\n.\r\n")
