"""The mails of the load: the same in every run, of the size they claim."""

import json
from email import message_from_bytes, policy

from posthouse.bench.mails import MAIL_OCTETS, envelopes, posted, text


def test_a_mail_is_complete_and_about_as_large_as_it_claims() -> None:
    commands, content = envelopes("fast.test")(7)
    assert commands == b"MAIL FROM:<bench@bench.test>\r\nRCPT TO:<user-7@fast.test>\r\nDATA\r\n"
    assert abs(len(content) - MAIL_OCTETS) < 100
    assert content.endswith(b"\r\n.\r\n")
    read = message_from_bytes(content[:-3], policy=policy.SMTP)
    assert (read["To"], read["Subject"], read.defects) == ("user-7@fast.test", "Message 7", [])


def test_no_line_needs_dot_stuffing_or_is_too_long() -> None:
    lines = envelopes("fast.test")(1)[1].split(b"\r\n")
    assert max(map(len, lines)) < 100
    assert [line for line in lines if line.startswith(b".")] == [b"."]


def test_text_does_not_repeat_its_lines() -> None:
    lines = text(5_000).splitlines()
    assert len(set(lines)) == len(lines)


def test_a_posted_message_names_its_recipient_and_its_further_fields() -> None:
    body = json.loads(posted("slow.test", 600, priority=9)("timed-1"))
    assert (body["to"], body["subject"], body["priority"]) == ("timed-1@slow.test", "Message timed-1", 9)
