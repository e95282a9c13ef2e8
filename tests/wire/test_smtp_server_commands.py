"""The grammar of MAIL, RCPT and the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire import smtp_server_commands as commands
from posthouse.wire import smtp_server_replies as replies
from posthouse.wire.smtp_server_commands import MailCommand, MailParameters

LONG_LOCAL = "l" * 65 + "@example.org"
LONG_ADDRESS = "l@" + ".".join(["d" * 60] * 5)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("FROM:<a@example.org>", MailCommand("a@example.org", MailParameters())),
        ("from:<a@example.org>", MailCommand("a@example.org", MailParameters())),
        ("FROM: <a@example.org>", MailCommand("a@example.org", MailParameters())),
        ("FROM:<>", MailCommand("", MailParameters())),
        ("FROM:<> SIZE=0", MailCommand("", MailParameters(size=0))),
        ("FROM:<a@b> SIZE=100 body=8bitmime", MailCommand("a@b", MailParameters(100, "8BITMIME"))),
        ("FROM:<a@b>  BODY=7BIT  AUTH=<>", MailCommand("a@b", MailParameters())),
        ('FROM:<"a b>\\"c"@d.example>', MailCommand('"a b>\\"c"@d.example', MailParameters())),
        ("FROM:<a@[192.0.2.1]>", MailCommand("a@[192.0.2.1]", MailParameters())),
        ("FROM:<a@[IPv6:2001:db8::1]>", MailCommand("a@[IPv6:2001:db8::1]", MailParameters())),
        (
            "FROM:<gr\u00e5@bl\u00e5b\u00e6r.dk> SMTPUTF8",
            MailCommand("gr\u00e5@bl\u00e5b\u00e6r.dk", MailParameters(smtputf8=True)),
        ),
        ("FROM:<gr\u00e5@example.dk>", replies.NEEDS_SMTPUTF8),
        ("", replies.MAIL_SYNTAX),
        ("TO:<a@b>", replies.MAIL_SYNTAX),
        ("FROM <a@b>", replies.MAIL_SYNTAX),
        ("FROM:a@b", replies.BAD_SENDER),
        ("FROM:<a>", replies.BAD_SENDER),
        ("FROM:<a@b", replies.BAD_SENDER),
        ("FROM:<a@b>SIZE=1", replies.BAD_SENDER),
        ("FROM:<a b@c>", replies.BAD_SENDER),
        ("FROM:<.a@b>", replies.BAD_SENDER),
        ("FROM:<a..b@c>", replies.BAD_SENDER),
        ("FROM:<a@-b>", replies.BAD_SENDER),
        ("FROM:<a@b..c>", replies.BAD_SENDER),
        ("FROM:<a@[999.0.2.1]>", replies.BAD_SENDER),
        ("FROM:<a@[IPv6:::::]>", replies.BAD_SENDER),
        (f"FROM:<{LONG_LOCAL}>", replies.BAD_SENDER),
        (f"FROM:<{LONG_ADDRESS}>", replies.BAD_SENDER),
        ("FROM:<@x.example,@y.example:a@b>", replies.SENDER_ROUTE),
        ("FROM:<a@b> SIZE=x", replies.BAD_PARAMETER),
        ("FROM:<a@b> SIZE=-1", replies.BAD_PARAMETER),
        ("FROM:<a@b> SIZE", replies.BAD_PARAMETER),
        ("FROM:<a@b> SIZE=" + "9" * 21, replies.BAD_PARAMETER),
        ("FROM:<a@b> SIZE=1 SIZE=2", replies.BAD_PARAMETER),
        ("FROM:<a@b> SMTPUTF8=yes", replies.BAD_PARAMETER),
        ("FROM:<a@b> BODY", replies.BAD_PARAMETER),
        ("FROM:<a@b> BODY=BINARYMIME", replies.BAD_PARAMETER),
        ("FROM:<a@b> =", replies.BAD_PARAMETER),
        ("FROM:<a@b> RET=HDRS", replies.UNKNOWN_PARAMETER),
    ],
)
def test_mail_is_parsed_strictly(argument, expected):
    assert commands.parse_mail(argument, smtputf8_offered=True) == expected


def test_smtputf8_is_an_unknown_parameter_where_it_is_not_offered():
    assert commands.parse_mail("FROM:<a@b> SMTPUTF8", smtputf8_offered=False) == replies.UNKNOWN_PARAMETER


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("TO:<a@example.org>", "a@example.org"),
        ("to: <a@example.org>", "a@example.org"),
        ("TO:<Postmaster>", "Postmaster"),
        ("TO:<po\u017ftmaster>", replies.BAD_RECIPIENT),
        ("TO:<somebody>", replies.BAD_RECIPIENT),
        ("TO:<>", replies.BAD_RECIPIENT),
        ("TO:<gr\u00e5@example.dk>", replies.NEEDS_SMTPUTF8),
        ("TO:<@x.example:a@b>", replies.RECIPIENT_ROUTE),
        ("TO:<a@b> NOTIFY=NEVER", replies.UNKNOWN_PARAMETER),
        ("FROM:<a@b>", replies.RCPT_SYNTAX),
    ],
)
def test_rcpt_is_parsed_strictly(argument, expected):
    assert commands.parse_rcpt(argument, smtputf8=False) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"quit", ("QUIT", "")),
        (b"NOOP  x  ", ("NOOP", "x")),
        (b"", ("", "")),
        (b"MAIL FROM:<a@b>\rRCPT TO:<c@d>", replies.NOT_TEXT),
        (b"MAIL FROM:<a\0@b>", replies.NOT_TEXT),
        (b"MAIL\tFROM:<a@b>", replies.NOT_TEXT),
        (b"MAIL FROM:<a\xc2\x85@b>", replies.NOT_TEXT),
        (b"MAIL FROM:<\xff@b>", replies.NOT_TEXT),
        ("r\u017fet".encode(), replies.UNKNOWN),
    ],
)
def test_a_command_line_is_a_verb_and_an_argument_without_control_characters(line, expected):
    assert commands.split(line) == expected


@given(st.text(alphabet=st.sampled_from('Aa.@<>"\\ :[]-,=1\u00e5'), max_size=60))
def test_an_accepted_address_can_be_written_into_a_command_again(text):
    command = commands.parse_mail(f"FROM:<{text}> SMTPUTF8", smtputf8_offered=True)
    if isinstance(command, MailCommand):
        again = commands.parse_mail(f"FROM:<{command.address}> SMTPUTF8", smtputf8_offered=True)
        assert isinstance(again, MailCommand)
        assert again.address == command.address


def test_a_hostile_reply_text_stays_one_short_line():
    said = replies.reply(550, "5.1.1", "no\r\n250 2.0.0 such \x00 user gr\u00e5 " + "x" * 900).octets
    assert said.count(b"\r") == said.count(b"\n") == 1
    assert said.endswith(b"\r\n")
    assert len(said) <= 512
    assert said.isascii()
