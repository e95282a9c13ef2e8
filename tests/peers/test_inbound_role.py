"""The inbound role with a real database: no relay, no mailbox, and reports that change what they name and nothing else."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from tests.inbound_role import ANNA, Office, running, with_one_mail

from free_ports import free_port
from posthouse.accounts import alerts, changes
from posthouse.intake import bounce_policies
from posthouse.ledger import bounce_policy
from posthouse.ledger.bounce_policy import BouncePolicy
from posthouse.model.limits import REPORTS_OF_A_KIND
from posthouse.runtime.process import Process
from posthouse.wire import arf, dsn
from posthouse.wire.dsn import RecipientReport, Report
from posthouse.wire.verp import Purpose

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def office(make_process: Callable[..., Process]) -> AsyncIterator[Office]:
    process = make_process("inbound", inbound={"port": free_port(), "host": "127.0.0.1"}, lab={"enabled": True})
    office = await with_one_mail(process)
    async with running(process):
        yield office


def report(action: str, status: str) -> bytes:
    about = RecipientReport(ANNA, ANNA, action, status, f"550 {status} no such user", "mx.example.org")
    return dsn.write(
        Report("mx.example.org", "", (about,), b"Subject: Hi\r\n"), "md@example.org", "x@y.test", NOW, bytes(16)
    )


@pytest.mark.parametrize(
    "to", ["anna@example.org", "postmaster@mail.test", "b123@bounces.mail.test", "a@bounces.mail.test"]
)
async def test_mail_to_any_other_address_is_550_and_never_relayed(office: Office, to: str) -> None:
    code, reply = await office.deliver(to, b"Subject: x\r\n\r\nx\r\n", "a@example.org")
    assert (code, reply[:5]) == (550, "5.1.1")


async def test_a_forged_return_path_is_550_and_changes_nothing(office: Office) -> None:
    forged = office.address(Purpose.BOUNCE, secret=b"somebody else's key")
    code, reply = await office.deliver(forged, report("failed", "5.1.1"))
    assert (code, reply[:5]) == (550, "5.1.1")
    assert (await office.kinds(), await office.suppressed()) == ([], [])


async def test_a_failure_report_bounces_the_recipient_it_was_sent_for(office: Office) -> None:
    code, _ = await office.deliver(office.address(Purpose.BOUNCE).upper(), report("failed", "5.1.1"))
    assert code == 250
    assert await office.kinds() == ["late_bounce"]
    assert await office.suppressed() == [("everything", "hard_bounce")]


async def test_a_report_said_again_and_again_is_recorded_a_few_times(office: Office) -> None:
    for _ in range(REPORTS_OF_A_KIND + 2):
        assert (await office.deliver(office.address(Purpose.BOUNCE), report("delayed", "4.4.1")))[0] == 250
    assert (await office.deliver(office.address(Purpose.BOUNCE), report("failed", "5.1.1")))[0] == 250
    assert sorted(await office.kinds()) == ["delayed"] * REPORTS_OF_A_KIND + ["late_bounce"]


async def test_a_delay_is_recorded_and_suppresses_nobody(office: Office) -> None:
    assert (await office.deliver(office.address(Purpose.BOUNCE), report("delayed", "4.4.1")))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["delayed"], [])


async def test_an_out_of_office_reply_is_taken_and_changes_nothing(office: Office) -> None:
    away = b"From: anna@example.org\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\n550 5.1.1 I am away\r\n"
    assert (await office.deliver(office.address(Purpose.BOUNCE), away))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == ([], [])


async def test_a_person_who_answers_a_return_path_is_told_that_nobody_reads_it(office: Office) -> None:
    code, reply = await office.deliver(office.address(Purpose.BOUNCE), b"Subject: Re\r\n\r\nhello?\r\n", ANNA)
    assert (code, reply[:5]) == (550, "5.7.1")


async def test_plain_mail_to_the_unsubscribe_address_unsubscribes(office: Office) -> None:
    assert (await office.deliver(office.address(Purpose.UNSUBSCRIBE), b"Subject: stop\r\n\r\n\r\n", ANNA))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["unsubscribed"], [("marketing", "unsubscribe")])


async def test_a_complaint_is_recorded_for_its_recipient(office: Office) -> None:
    complaint = arf.write(arf.Complaint("abuse", "fbl/1"), "fbl@example.org", "c@d.test", NOW, bytes(16))
    assert (await office.deliver(office.address(Purpose.COMPLAINT), complaint, "fbl@example.org"))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["complained"], [("marketing", "complaint")])


@pytest.mark.parametrize("feedback_type", ["not-spam", "virus", "auth-failure", "dmarc"])
async def test_feedback_that_is_no_complaint_stops_no_mail(office: Office, feedback_type: str) -> None:
    for purpose in (Purpose.COMPLAINT, Purpose.BOUNCE):
        found = arf.write(arf.Complaint(feedback_type, "fbl/1"), "fbl@example.org", "c@d.test", NOW, bytes(16))
        assert (await office.deliver(office.address(purpose), found, "fbl@example.org"))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == ([], [])


async def test_an_opt_out_that_is_passed_on_is_no_complaint(office: Office) -> None:
    found = arf.write(arf.Complaint("opt-out", "fbl/1"), "fbl@example.org", "c@d.test", NOW, bytes(16))
    assert (await office.deliver(office.address(Purpose.BOUNCE), found, "fbl@example.org"))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["unsubscribed"], [("marketing", "unsubscribe")])


async def test_a_redacted_complaint_is_about_the_return_path_it_quotes(office: Office) -> None:
    quoted = office.address(Purpose.BOUNCE)
    header = f"Return-Path: <{quoted}>\r\nSubject: Hi\r\n".encode()
    complaint = arf.write(
        arf.Complaint("abuse", "fbl/1", original_header=header), "fbl@example.org", "c@d.test", NOW, bytes(16)
    )
    office.recipient_id, known = office.process.ids.new(), office.recipient_id  # an address of a message nobody knows
    assert (await office.deliver(office.address(Purpose.COMPLAINT), complaint, "fbl@example.org"))[0] == 250
    office.recipient_id = known
    assert (await office.kinds(), await office.suppressed()) == (["complained"], [("marketing", "complaint")])


async def test_a_complaint_to_the_address_in_the_message_s_header_is_about_its_only_recipient(office: Office) -> None:
    known = office.recipient_id
    office.recipient_id = await office.process.pool.fetchval(
        "SELECT message_id FROM outbox WHERE recipient_id = $1", known
    )
    to = office.address(Purpose.COMPLAINT)
    office.recipient_id = known
    complaint = arf.write(arf.Complaint("abuse", "fbl/1"), "fbl@example.org", to, NOW, bytes(16))
    assert (await office.deliver(to, complaint, "fbl@example.org"))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["complained"], [("marketing", "complaint")])


async def test_a_bounce_that_names_nobody_is_about_whom_the_return_path_names(office: Office) -> None:
    content = (
        b"From: MAILER-DAEMON@mx.test\r\nSubject: Undeliverable mail\r\n\r\nNot delivered: 550 5.1.1 User unknown\r\n"
    )
    assert (await office.deliver(office.address(Purpose.BOUNCE), content))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["late_bounce"], [("everything", "hard_bounce")])


async def choose(office: Office, **wanted: object) -> None:
    chosen = {**msgspec.to_builtins(bounce_policy.DEFAULT), **wanted}
    policy = bounce_policy.read(chosen)
    assert isinstance(policy, BouncePolicy), policy
    async with changes.making(office.process, office.workspace_id, "user:ann@x.test") as change:
        assert await bounce_policies.choose(change, policy)


async def troubles(office: Office) -> list[tuple[str, str, str]]:
    found = await alerts.in_force(office.process.pool, office.workspace_id)
    return [(each.trouble.kind, each.trouble.subject, each.trouble.sentence) for each in found]


def refused(status: str, words: str) -> bytes:
    about = RecipientReport(ANNA, ANNA, "failed", status, f"550 {status} {words}", "mx.example.org")
    return dsn.write(Report("mx.example.org", "", (about,)), "md@example.org", "x@y.test", NOW, bytes(16))


async def test_a_hard_bounce_suppresses_everything_unless_the_rules_say_otherwise(office: Office) -> None:
    await choose(office, hard="nothing")
    assert (await office.deliver(office.address(Purpose.BOUNCE), report("failed", "5.1.1")))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == (["late_bounce"], [])
    await choose(office, hard="everything")
    await office.deliver(office.address(Purpose.BOUNCE), report("failed", "5.1.1"))
    assert await office.suppressed() == [("everything", "hard_bounce")]


async def test_a_blocked_bounce_raises_one_alert_with_the_receiver_s_words_and_strikes_nobody_off(
    office: Office,
) -> None:
    for _ in range(2):
        await office.deliver(office.address(Purpose.BOUNCE), refused("5.7.1", "listed by zen.spamhaus.org"))
    ((kind, subject, sentence),) = await troubles(office)
    assert (kind, subject) == ("bounces.blocked", "example.org")
    assert "listed by zen.spamhaus.org" in sentence
    assert "block lists" in sentence
    assert await office.suppressed() == []


async def test_no_alert_is_raised_where_nobody_wants_one(office: Office) -> None:
    await choose(office, blocked_alert=False)
    await office.deliver(office.address(Purpose.BOUNCE), refused("5.7.1", "listed by zen.spamhaus.org"))
    assert (await office.kinds(), await troubles(office)) == (["late_bounce"], [])


async def test_a_workspace_s_own_rule_is_asked_before_all_others(office: Office) -> None:
    rule = {"match": "Access * by local policy", "status": "5.7", "bounce_class": "hard", "reason": "no_such_mailbox"}
    await choose(office, rules=[rule])
    await office.deliver(office.address(Purpose.BOUNCE), refused("5.7.1", "access denied by local policy"))
    assert await office.suppressed() == [("everything", "hard_bounce")]
    data = await office.process.pool.fetchval("SELECT data FROM events WHERE kind = 'late_bounce'")
    assert (data["class"], data["rule"]) == ("hard", "own rule 1 (access * by local policy)")


async def test_challenges_are_ignored(office: Office) -> None:
    challenge = b"From: anna@example.org\r\nAuto-Submitted: auto-replied\r\nSubject: Please confirm\r\n\r\nClick here to confirm\r\n"
    assert (await office.deliver(office.address(Purpose.BOUNCE), challenge))[0] == 250
    assert (await office.kinds(), await office.suppressed()) == ([], [])


async def test_a_complaint_stops_what_the_rules_say(office: Office) -> None:
    await choose(office, complaint="channel:email")
    complaint = arf.write(arf.Complaint("abuse", "fbl/1"), "fbl@example.org", "c@d.test", NOW, bytes(16))
    await office.deliver(office.address(Purpose.COMPLAINT), complaint, "fbl@example.org")
    assert await office.suppressed() == [("channel:email", "complaint")]


async def test_a_change_of_the_rules_is_in_the_audit_log(office: Office) -> None:
    await choose(office, soft_messages=3)
    row = await office.process.pool.fetchrow("SELECT actor, detail FROM audit_log ORDER BY sequence DESC LIMIT 1")
    assert (row["actor"], row["detail"]) == ("user:ann@x.test", {"soft_messages": [7, 3]})


async def test_a_report_for_a_recipient_that_is_not_known_any_more_is_taken_without_effect(office: Office) -> None:
    office.recipient_id = UUID("01a20000-0000-7000-8000-000000000000")
    assert (await office.deliver(office.address(Purpose.BOUNCE), report("failed", "5.1.1")))[0] == 250
    assert await office.suppressed() == []
