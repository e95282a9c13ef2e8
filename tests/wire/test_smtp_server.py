"""Whole dialogues with the SMTP server machine: the same replies and events however the octets arrive."""

import base64
import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.limits import COMMAND_DISCARD_OCTETS, COMMAND_LINE_OCTETS, IDLE_COMMANDS, PIPELINE_OCTETS
from posthouse.wire.sasl import Credentials
from posthouse.wire.smtp_server import ServerMachine, State
from posthouse.wire.smtp_server_events import Authenticate, MailFrom, MessageReceived, RcptTo, ServerConfig, StartTls

INBOUND = ServerConfig(hostname="mx.example.org", max_size=2_000)
LAB = ServerConfig(
    hostname="mx.example.org",
    starttls=True,
    auth_mechanisms=("PLAIN", "LOGIN"),
    auth_needs_tls=False,
    max_recipients=3,
    max_size=2_000,
)
SUBMISSION = dataclasses.replace(LAB, auth_needs_tls=True, require_auth=True)
SUBMISSIONS = dataclasses.replace(SUBMISSION, starttls=False, implicit_tls=True)

PLAIN = base64.b64encode(b"\0tim\0secret").decode()
WRONG = base64.b64encode(b"\0tim\0wrong").decode()
TIM, SECRET = base64.b64encode(b"tim").decode(), base64.b64encode(b"secret").decode()
ENVELOPE = "EHLO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|"


def answer(machine, event):
    """A host with simple rules: one password, no senders `bad...`, no recipients `no...`, no messages saying `spam`."""
    match event:
        case Authenticate(_, Credentials(password=password)) if password != "secret":
            machine.refuse(535, "5.7.8", "Wrong")
        case MailFrom(address) if address.startswith("bad"):
            machine.refuse(550, "5.7.1", "Not you")
        case RcptTo(address) if address.startswith("no"):
            machine.refuse(550, "5.1.1", "Unknown")
        case RcptTo(address) if address.startswith("busy"):
            machine.refuse(421, "4.3.2", "Go away")
        case MessageReceived(data=data) if b"spam" in data:
            machine.refuse(554, "5.7.1", "Spam")
        case MessageReceived():
            machine.accept("queued")
        case StartTls():
            machine.tls_established()
        case _:
            machine.accept()


def pump(machine):
    events = []
    while (event := machine.next_event()) is not None:
        events.append(event)
        answer(machine, event)
    return events


def talk(config, chunks, *, trusted=False):
    """Feed the chunks and return the octets said after the banner, and the events."""
    machine, events = ServerMachine(config, trusted=trusted), []
    machine.greet()
    assert machine.data_to_send() == b"220 mx.example.org ESMTP Posthouse\r\n"
    for chunk in chunks:
        machine.receive(chunk)
        events += pump(machine)
    return machine.data_to_send(), events


def octets(script):
    """`|` stands for CRLF."""
    return script.replace("|", "\r\n").encode("utf-8", "surrogateescape")


def codes(said):
    """The replies in short: `250 2.1.0`, or the bare code where there is no enhanced one."""
    last_lines = re.findall(rb"^(\d{3}) (?:([245]\.\d+\.\d+)\b)?", said, re.MULTILINE)
    return " ".join((code + b"/" + enhanced).decode() if enhanced else code.decode() for code, enhanced in last_lines)


DIALOGUES = [
    # --- the session
    (INBOUND, "EHLO c|QUIT|", "250 221/2.0.0"),
    (INBOUND, "helo c|quit|", "250 221/2.0.0"),
    (INBOUND, "EHLO|EHLO \x7f|EHLO a b|HELO |", "501/5.5.4 501/5.5.2 501/5.5.4 501/5.5.4"),
    (INBOUND, "EHLO [192.0.2.1]|EHLO my_pc|", "250 250"),
    (INBOUND, "NOOP|NOOP x|VRFY a@b|HELP|RSET|", "250/2.0.0 250/2.0.0 252/2.0.0 214/2.0.0 250/2.0.0"),
    (INBOUND, "EXPN l|BDAT 1|TURN|XYZZY||", "502/5.5.1 502/5.5.1 502/5.5.1 500/5.5.2 500/5.5.2"),
    (INBOUND, "QUIT|NOOP|", "221/2.0.0"),
    (INBOUND, "QUIT now|RSET x|DATA|", "501/5.5.4 501/5.5.4 503/5.5.1"),
    (INBOUND, "POST / HTTP/1.1|EHLO c|", "554/5.5.1"),
    (INBOUND, "NOOP\nNOOP|", "500/5.5.2 250/2.0.0"),
    (INBOUND, "EHLO c\nMAIL FROM:<a@b>\nNOOP|", "500/5.5.2 500/5.5.2 250/2.0.0"),
    (INBOUND, "NOOP\rNOOP|NO\0OP|", "501/5.5.2 501/5.5.2"),
    (INBOUND, "N" * 70_000 + "|NOOP|", "500/5.5.2 250/2.0.0"),
    (INBOUND, "NOOP " + "x" * (COMMAND_LINE_OCTETS - 7) + "|NOOP|", "250/2.0.0 250/2.0.0"),
    (INBOUND, "NOOP " + "x" * (COMMAND_LINE_OCTETS - 6) + "|NOOP|", "500/5.5.2 250/2.0.0"),
    (INBOUND, "X|" * 30, "500/5.5.2 " * 10 + "421/4.7.0"),
    (INBOUND, "NOOP|" * (IDLE_COMMANDS + 20), "250/2.0.0 " * (IDLE_COMMANDS + 10) + "421/4.7.0"),
    # --- the order of commands
    (INBOUND, "MAIL FROM:<a@b>|RCPT TO:<a@b>|DATA|", "503/5.5.1 503/5.5.1 503/5.5.1"),
    (INBOUND, "EHLO c|RCPT TO:<a@b>|DATA|", "250 503/5.5.1 503/5.5.1"),
    (INBOUND, "EHLO c|MAIL FROM:<a@b>|MAIL FROM:<a@b>|DATA|", "250 250/2.1.0 503/5.5.1 554/5.5.1"),
    (INBOUND, "EHLO c|MAIL FROM:<a@b>|RSET|RCPT TO:<a@b>|", "250 250/2.1.0 250/2.0.0 503/5.5.1"),
    (INBOUND, "EHLO c|MAIL FROM:<a@b>|EHLO c|RCPT TO:<a@b>|", "250 250/2.1.0 250 503/5.5.1"),
    (INBOUND, "RSET|MAIL FROM:<a@b>|", "250/2.0.0 503/5.5.1"),
    (LAB, "AUTH PLAIN|STARTTLS|HELO c|AUTH PLAIN|", "503/5.5.1 503/5.5.1 250 503/5.5.1"),
    (LAB, "EHLO c|MAIL FROM:<>|AUTH PLAIN|STARTTLS|", "250 250/2.1.0 503/5.5.1 503/5.5.1"),
    # --- the transaction
    (INBOUND, ENVELOPE + "S: x||hi|.|QUIT|", "250 250/2.1.0 250/2.1.5 354 250/2.0.0 221/2.0.0"),
    (INBOUND, ENVELOPE + ".|RCPT TO:<c@d>|", "250 250/2.1.0 250/2.1.5 354 250/2.0.0 503/5.5.1"),
    (INBOUND, ENVELOPE + "spam|.|MAIL FROM:<>|", "250 250/2.1.0 250/2.1.5 354 554/5.7.1 250/2.1.0"),
    (
        INBOUND,
        "EHLO c|MAIL FROM:<bad@b>|" + "RCPT TO:<c@d>|" * 20 + "DATA|",
        "250 550/5.7.1 " + "503/5.5.1 " * 20 + "503/5.5.1",
    ),
    (
        INBOUND,
        "EHLO c|MAIL FROM:<>|RCPT TO:<no@d>|DATA|RCPT TO:<c@d>|DATA|.|",
        "250 250/2.1.0 550/5.1.1 554/5.5.1 250/2.1.5 354 250/2.0.0",
    ),
    (INBOUND, "EHLO c|MAIL FROM:<>|RCPT TO:<busy@d>|NOOP|", "250 250/2.1.0 421/4.3.2"),
    (LAB, "EHLO c|MAIL FROM:<>|" + "RCPT TO:<c@d>|" * 4, "250 250/2.1.0 " + "250/2.1.5 " * 3 + "452/4.5.3"),
    (INBOUND, "EHLO c|MAIL FROM:<> SIZE=2001|MAIL FROM:<> SIZE=2000|", "250 552/5.3.4 250/2.1.0"),
    (INBOUND, "EHLO c|MAIL FROM:<gr\u00e5@b>|MAIL FROM:<> X=1|", "250 553/5.6.7 555/5.5.4"),
    (INBOUND, "EHLO c|MAIL FROM:<> SMTPUTF8|RCPT TO:<gr\u00e5@b>|", "250 250/2.1.0 250/2.1.5"),
    (INBOUND, "EHLO c|MAIL FROM:<>|RCPT TO:<gr\u00e5@b>|RCPT TO:<@a:b@c>|", "250 250/2.1.0 553/5.6.7 501/5.1.3"),
    (INBOUND, "EHLO c|MAIL FROM:<a\udcff@b>|", "250 501/5.5.2"),
    (INBOUND, ENVELOPE + "x|" * 700 + ".|NOOP|", "250 250/2.1.0 250/2.1.5 354 552/5.3.4 250/2.0.0"),
    (INBOUND, ENVELOPE + "x|" * 7_000 + ".|NOOP|", "250 250/2.1.0 250/2.1.5 354 552/5.3.4 250/2.0.0"),
    (INBOUND, ENVELOPE + "x" * 999 + "|.|NOOP|", "250 250/2.1.0 250/2.1.5 354 554/5.6.0 250/2.0.0"),
    # --- smuggling: whatever looks like an end is part of one refused message
    *(
        (INBOUND, f"{ENVELOPE}x{end}MAIL FROM:<e@v>|.|NOOP|", "250 250/2.1.0 250/2.1.5 354 554/5.6.0 250/2.0.0")
        for end in ("\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n\0.\r\n", "\r.\r\n", "\r\n.\r\r\n")
    ),
    # --- AUTH
    (INBOUND, f"EHLO c|AUTH PLAIN {PLAIN}|", "250 502/5.5.1"),
    (LAB, f"EHLO c|AUTH PLAIN {PLAIN}|AUTH PLAIN {PLAIN}|", "250 235/2.7.0 503/5.5.1"),
    (LAB, f"EHLO c|auth plain|{PLAIN}|", "250 334 235/2.7.0"),
    (LAB, f"EHLO c|AUTH LOGIN|{TIM}|{SECRET}|", "250 334 334 235/2.7.0"),
    (LAB, f"EHLO c|AUTH LOGIN {TIM}|{SECRET}|", "250 334 235/2.7.0"),
    (LAB, "EHLO c|AUTH PLAIN|*|NOOP|", "250 334 501/5.7.0 250/2.0.0"),
    (LAB, "EHLO c|AUTH LOGIN =|*|", "250 334 501/5.7.0"),
    (LAB, "EHLO c|AUTH PLAIN =|AUTH PLAIN ?|AUTH LOGIN|NOOP|NOOP|", "250 501/5.5.2 501/5.5.2 334 334 501/5.5.2"),
    (LAB, "EHLO c|AUTH PLAIN|a b|NOOP|", "250 334 501/5.5.2 250/2.0.0"),
    (LAB, f"EHLO c|AUTH PLAIN|{PLAIN}\nNOOP|", "250 334 500/5.5.2 250/2.0.0"),
    (LAB, "EHLO c|AUTH PLAIN|" + "A" * 70_000 + "|NOOP|", "250 334 500/5.5.6 250/2.0.0"),
    (LAB, "EHLO c|AUTH|AUTH X|AUTH PLAIN a b|", "250 501/5.5.4 504/5.5.4 501/5.5.4"),
    (LAB, f"EHLO c|{f'AUTH PLAIN {WRONG}|' * 5}", "250 " + "535/5.7.8 " * 3 + "421/4.7.0"),
    (SUBMISSION, f"EHLO c|AUTH PLAIN {PLAIN}|MAIL FROM:<>|", "250 538/5.7.11 530/5.7.0"),
    (SUBMISSIONS, f"EHLO c|MAIL FROM:<>|AUTH PLAIN {PLAIN}|MAIL FROM:<>|", "250 530/5.7.0 235/2.7.0 250/2.1.0"),
    (SUBMISSIONS, "EHLO c|STARTTLS|", "250 503/5.5.1"),
    (INBOUND, "EHLO c|STARTTLS|", "250 502/5.5.1"),
    (LAB, "EHLO c|STARTTLS x|", "250 501/5.5.4"),
]
SHORT = [(config, script) for config, script, _ in DIALOGUES if len(script) < 1_000]


@pytest.mark.parametrize(("config", "script", "expected"), DIALOGUES)
def test_a_dialogue_goes_by_the_book_whole_and_one_octet_at_a_time(config, script, expected):
    sent = octets(script)
    said, events = talk(config, [sent])
    assert codes(said) == expected.strip()
    assert talk(config, [sent[i : i + 1] for i in range(len(sent))]) == (said, events)


@given(st.sampled_from(SHORT), st.data())
def test_no_split_of_a_dialogue_changes_it(dialogue, data):
    config, script = dialogue
    sent = octets(script)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=12)))
    chunks = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert talk(config, chunks) == talk(config, [sent])


COMMANDS = (
    "EHLO c|/MAIL FROM:<a@b>|/RCPT TO:<c@d>|/DATA|/AUTH PLAIN|/AUTH LOGIN dGlt|/RSET|/|.|/*|/c2VjcmV0|/STARTTLS|/QUIT|"
)
FRAGMENTS = st.sampled_from(
    [*map(octets, COMMANDS.split("/")), b"\n", b"\r", b"\0", b".", b"x" * 5_000, b"MAIL FROM:<"]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=40), max_size=40), st.sampled_from([INBOUND, LAB, SUBMISSIONS]))
def test_nothing_a_client_sends_raises_or_fills_the_memory(chunks, config):
    machine = ServerMachine(config)
    machine.greet()
    for chunk in chunks:
        machine.receive(chunk)
        pump(machine)
        assert machine.buffered <= max(12_288, config.max_size * 4 // 3 + 10) + len(chunk)
    assert re.fullmatch(rb"(?:\d{3}[ -][ -~]*\r\n)+", machine.data_to_send())


def test_every_reply_but_greetings_and_354_has_an_enhanced_code_of_its_own_class():
    for config, script, _ in DIALOGUES:
        for line in talk(config, [octets(script)])[0].splitlines():
            assert re.match(rb"354 |334 |250[- ](?!\d\.)|([245])\d\d \1\.\d+\.\d+ ", line), line


def test_a_message_is_handed_over_with_its_envelope_and_without_its_stuffing():
    script = "EHLO c|MAIL FROM:<gr\u00e5@b> SIZE=9 BODY=8BITMIME SMTPUTF8|RCPT TO:<c@d>|RCPT TO:<e@f>|DATA|..x|y|.|"
    message = talk(INBOUND, [octets(script)])[1][-1]
    assert isinstance(message, MessageReceived)
    assert (message.mail_from, message.recipients, message.data) == ("gr\u00e5@b", ("c@d", "e@f"), b".x\r\ny\r\n")
    assert (message.parameters.size, message.parameters.body, message.parameters.smtputf8) == (9, "8BITMIME", True)
    assert message.protocol == "UTF8SMTP"


@pytest.mark.parametrize(
    ("config", "hello", "protocol"),
    [
        (LAB, "HELO c|", "SMTP"),
        (LAB, "EHLO c|", "ESMTP"),
        (LAB, f"EHLO c|AUTH PLAIN {PLAIN}|", "ESMTPA"),
        (SUBMISSIONS, f"EHLO c|AUTH PLAIN {PLAIN}|", "ESMTPSA"),
    ],
)
def test_a_message_knows_the_word_for_how_it_came(config, hello, protocol):
    events = talk(config, [octets(hello + "MAIL FROM:<>|RCPT TO:<c@d>|DATA|.|")])[1]
    assert events[-1].protocol == protocol


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (INBOUND, "PIPELINING, SIZE 2000, 8BITMIME, ENHANCEDSTATUSCODES, SMTPUTF8, HELP"),
        (dataclasses.replace(INBOUND, smtputf8=False), "PIPELINING, SIZE 2000, 8BITMIME, ENHANCEDSTATUSCODES, HELP"),
        (LAB, "PIPELINING, SIZE 2000, 8BITMIME, ENHANCEDSTATUSCODES, SMTPUTF8, STARTTLS, AUTH PLAIN LOGIN, HELP"),
        (SUBMISSION, "PIPELINING, SIZE 2000, 8BITMIME, ENHANCEDSTATUSCODES, SMTPUTF8, STARTTLS, HELP"),
        (SUBMISSIONS, "PIPELINING, SIZE 2000, 8BITMIME, ENHANCEDSTATUSCODES, SMTPUTF8, AUTH PLAIN LOGIN, HELP"),
    ],
)
def test_ehlo_offers_what_the_session_may_use_now(config, expected):
    lines = talk(config, [b"EHLO c\r\n"])[0].decode().splitlines()
    assert lines[0] == "250-mx.example.org"
    assert ", ".join(line[4:] for line in lines[1:]) == expected
    assert [line[3] for line in lines] == ["-"] * (len(lines) - 1) + [" "]


# --- Trust, TLS


def test_a_trusted_session_submits_without_auth():
    said, events = talk(SUBMISSION, [octets("EHLO c|MAIL FROM:<a@b>|")], trusted=True)
    assert codes(said) == "250 250/2.1.0"
    assert len(events) == 1


def test_the_handshake_forgets_what_was_said_in_the_clear():
    chunks = ["EHLO c|", "STARTTLS|", "MAIL FROM:<>|", "EHLO c|", f"AUTH PLAIN {PLAIN}|MAIL FROM:<>|"]
    said, events = talk(SUBMISSION, map(octets, chunks))
    assert codes(said) == "250 220/2.0.0 503/5.5.1 250 235/2.7.0 250/2.1.0"
    assert said.count(b"STARTTLS") == 1
    assert [type(event) for event in events] == [StartTls, Authenticate, MailFrom]


def test_the_handshake_forgets_the_name_the_client_gave():
    machine = ServerMachine(SUBMISSION)
    machine.greet()
    machine.receive(octets("EHLO clear.example|STARTTLS|"))
    assert (machine.next_event(), machine.client_name) == (StartTls(), "clear.example")
    machine.tls_established()
    assert (machine.tls_active, machine.client_name) == (True, "")


def test_plaintext_behind_starttls_is_never_run():
    said, events = talk(SUBMISSION, [octets("EHLO c|STARTTLS|EHLO evil|MAIL FROM:<e@v>|")])
    assert codes(said) == "250 554/5.5.1"
    assert events == []


def test_plaintext_between_220_and_the_handshake_ends_the_session():
    machine = ServerMachine(SUBMISSION)
    machine.greet()
    machine.receive(octets("EHLO c|STARTTLS|"))
    assert machine.next_event() == StartTls()
    machine.receive(b"NOOP\r\n")
    assert machine.closed
    machine.tls_established()
    assert machine.closed


# --- Waiting for the host


def waiting(script, config=INBOUND):
    """A machine that stopped at its first question after `script`."""
    machine = ServerMachine(config)
    machine.greet()
    machine.receive(octets(script))
    return machine, machine.next_event()


def test_pipelined_commands_wait_for_the_answer_and_keep_their_order():
    machine, event = waiting("EHLO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|hi|.|QUIT|")
    assert isinstance(event, MailFrom)
    assert machine.awaiting
    assert machine.next_event() is None
    assert codes(machine.data_to_send()) == "220 250"
    machine.accept("fine")
    assert machine.data_to_send() == b"250 2.1.0 fine\r\n"
    assert isinstance(machine.next_event(), RcptTo)
    machine.accept()
    assert isinstance(machine.next_event(), MessageReceived)
    assert codes(machine.data_to_send()) == "250/2.1.5 354"
    machine.accept("queued as 1")
    assert machine.next_event() is None
    assert machine.data_to_send() == b"250 2.0.0 queued as 1\r\n221 2.0.0 Bye\r\n"
    assert machine.closed


def test_what_comes_before_the_banner_waits_for_it():
    machine = ServerMachine(INBOUND)
    machine.receive(b"EHLO c\r\n")
    assert machine.next_event() is None
    assert machine.data_to_send() == b""
    machine.greet()
    assert machine.next_event() is None
    assert codes(machine.data_to_send()) == "220 250"


def test_a_client_that_floods_a_waiting_machine_is_sent_away():
    machine, _ = waiting("EHLO c|MAIL FROM:<a@b>|")
    for _ in range(PIPELINE_OCTETS // 65_536):
        machine.receive(b"x" * 65_536)
        assert machine.buffered <= PIPELINE_OCTETS
    machine.receive(b"x")
    assert codes(machine.data_to_send()) == "220 250 421/4.7.0"
    assert machine.closed
    assert machine.buffered == 0


def test_an_endless_command_line_is_given_up_in_bounded_memory():
    machine, _ = waiting("EHLO c|")
    for _ in range(COMMAND_DISCARD_OCTETS // 65_536 + 1):
        machine.receive(b"x" * 65_536)
        assert machine.next_event() is None
        assert machine.buffered == 0
    assert codes(machine.data_to_send()) == "220 250 500/5.5.2"
    assert machine.closed


def test_an_answer_that_comes_after_the_end_of_the_session_is_ignored():
    machine, _ = waiting("EHLO c|MAIL FROM:<a@b>|")
    machine.timeout()
    machine.accept()
    machine.refuse(550, "5.7.1", "Too late")
    assert codes(machine.data_to_send()) == "220 250 421/4.4.2"


def test_shutdown_between_transactions_is_at_once():
    machine, _ = waiting("EHLO c|")
    machine.shutdown()
    assert codes(machine.data_to_send()) == "220 250 421/4.3.2"
    assert machine.closed


def test_shutdown_lets_an_open_transaction_end():
    machine, _ = waiting("EHLO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|hi|")
    machine.accept()
    pump(machine)
    assert machine.state is State.DATA
    machine.shutdown()
    assert not machine.closed
    machine.receive(octets(".|MAIL FROM:<a@b>|"))
    pump(machine)
    assert codes(machine.data_to_send()).endswith("354 250/2.0.0 421/4.3.2")
    assert machine.closed


def test_the_host_may_hang_up_in_the_middle_of_the_data():
    machine, _ = waiting("EHLO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|hi|")
    machine.accept()
    pump(machine)
    machine.abort(421, "4.3.0", "No more")
    machine.receive(b".\r\n")
    assert pump(machine) == []
    assert codes(machine.data_to_send()).endswith("354 421/4.3.0")


def test_a_connection_carries_a_limited_number_of_messages():
    one = "MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|.|"
    said, _ = talk(dataclasses.replace(INBOUND, max_messages=2), [octets("EHLO c|" + one * 3)])
    assert codes(said) == "250" + " 250/2.1.0 250/2.1.5 354 250/2.0.0" * 2 + " 421/4.7.0"


def test_an_accepted_message_forgives_earlier_errors():
    one = "X|" * 9 + "MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|.|"
    said, events = talk(INBOUND, [octets("EHLO c|" + one * 3)])
    assert sum(isinstance(event, MessageReceived) for event in events) == 3
    assert b"421" not in said
