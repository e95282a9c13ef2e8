"""Senders hear of mail that was not delivered: who does, who must not, and that each failure is told once."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink

from posthouse.accounts import changes, workspaces
from posthouse.accounts.directory import Directory
from posthouse.accounts.workspaces import Preferences
from posthouse.delivery import worker
from posthouse.intake import contents, notices
from posthouse.ledger import events
from posthouse.ledger.events import Event
from posthouse.model.mail import Accepted
from posthouse.model.words import EventKind, MailClass, Source, State
from posthouse.outbox import messages
from posthouse.outbox.messages import Filters, MessageRow
from posthouse.runtime.postgres import transaction
from posthouse.wire import dsn

CONTENT = b"From: Ann <ann@example.test>\r\nTo: gone@there.test\r\nSubject: hello\r\nMessage-ID: <1@example.test>\r\n%b\r\nHello\r\n"


class LateClock:
    """The time in a minute, when no commit of now can still be under way."""

    def now(self) -> datetime:
        return datetime.now().astimezone() + timedelta(minutes=1)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    """A workspace with the verified domain example.test, whose notices begin with what happens from here on."""
    async with open_corridor(make_process) as opened:
        statement = (
            "INSERT INTO sending_domains (workspace_id, domain_id, name, ownership_token, created_at, verified_at)"
            " VALUES ($1, $2, 'example.test', 'x', now(), now())"
        )
        async with opened.process.pool.acquire() as connection:
            await connection.execute(statement, opened.submitter.workspace_id, opened.process.ids.new())
        await tell(opened, now=True)
        yield opened


def directory_of(corridor: Corridor) -> Directory:
    process = corridor.process
    return Directory(process.pool, process.clock, process.vault)


async def written(corridor: Corridor, row: MessageRow) -> bytes:
    workspace_id = corridor.submitter.workspace_id
    content = await contents.content(corridor.process, directory_of(corridor), workspace_id, row.message_id)
    assert content is not None
    return content


async def tell(corridor: Corridor, *, now: bool = False) -> list[MessageRow]:
    """One round of the notices, and all there are."""
    process = corridor.process if now else replace(corridor.process, clock=LateClock())
    await notices.advance(process, directory_of(corridor), corridor.door, corridor.submitter.workspace_id)
    async with corridor.process.pool.acquire() as connection:
        found = await messages.search(
            connection, corridor.submitter.workspace_id, Filters(source=Source.NOTICE), None, 10
        )
    return [listed.message for listed in found]


async def send(corridor: Corridor, *addresses: str, **changed: object) -> Accepted:
    """A message that comes by SMTP unless said otherwise."""
    values = {"source": Source.SMTP, "content": CONTENT % b""} | changed
    return await corridor.send(*(addresses or ("gone@there.test",)), **values)


async def bounced(corridor: Corridor, *addresses: str, **changed: object) -> Accepted:
    """The same, and what delivery writes when its receiver refuses it."""
    accepted = await send(corridor, *addresses, **changed)
    now, said = corridor.process.clock.now(), {"code": 550, "enhanced": "5.1.1", "text": "no such user"}
    workspace_id = corridor.submitter.workspace_id
    async with transaction(corridor.process.pool) as connection:
        await connection.execute(
            "UPDATE outbox SET state = 'bounced', settled_at = now(), reason = 'Bounced: no such user'"
        )
        await events.append(
            connection,
            [
                Event(
                    workspace_id,
                    corridor.process.ids.new(),
                    now,
                    accepted.message_id,
                    each.recipient_id,
                    EventKind.BOUNCED,
                    said,
                )
                for each in accepted.recipients
            ],
        )
    return accepted


async def test_a_sender_by_smtp_is_told_by_a_report_of_what_failed_and_why(corridor: Corridor) -> None:
    async with (
        sink({"RCPT": b"550 5.1.1 no such user\r\n"}) as receiver,
        corridor.delivering(receiver.port, housekeeping=False),
    ):
        accepted = await send(corridor)
        await corridor.settled([accepted])
    (row,) = await tell(corridor)
    content = await written(corridor, row)
    report = dsn.parse(content)
    assert report is not None
    (about,) = report.recipients
    assert (about.action, about.status, about.final_recipient) == ("failed", "5.1.1", "gone@there.test")
    assert "no such user" in about.diagnostic
    assert report.envelope_id == str(accepted.message_id)
    assert b"Subject: hello" in report.original_header
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert (mail["From"], mail["To"]) == ("mailer-daemon@example.test", "ann@example.test")
    assert mail["Auto-Submitted"] == "auto-replied"
    assert "550 5.1.1 no such user" in mail.get_body(("plain",)).get_content()
    assert (row.priority, row.mail_class, row.sender) == (5, MailClass.TRANSACTIONAL, "mailer-daemon@example.test")


async def test_a_notice_leaves_with_the_null_return_path(corridor: Corridor) -> None:
    await bounced(corridor)
    (row,) = await tell(corridor)
    (recipient,) = await corridor.recipients(row.message_id)
    async with sink() as receiver, corridor.delivering(receiver.port, housekeeping=False):
        async with asyncio.timeout(30):
            while True:
                if (await corridor.recipients(row.message_id))[0].state is State.DELIVERED:
                    break
                await asyncio.sleep(0.02)
    (mail,) = receiver.mails
    assert recipient.address == "ann@example.test"
    assert mail.mail_from.startswith("MAIL FROM:<> ")


async def test_each_failure_is_told_once_however_often_it_is_read(corridor: Corridor) -> None:
    await bounced(corridor)
    await tell(corridor)
    async with corridor.process.pool.acquire() as connection:
        await connection.execute(
            "UPDATE event_cursors SET next = '00000000-0000-0000-0000-000000000000' WHERE reader = 'notices'"
        )
    assert len(await tell(corridor)) == 1


async def test_failures_of_one_message_are_one_notice(corridor: Corridor) -> None:
    await bounced(corridor, "a@there.test", "b@there.test", "c@there.test")
    assert len(await tell(corridor)) == 1


async def test_mail_that_expired_is_told_with_the_status_for_time(corridor: Corridor) -> None:
    soon = corridor.process.clock.now() + timedelta(milliseconds=1)
    await corridor.send("slow@there.test", source=Source.MANUAL, content=CONTENT % b"", expires_at=soon)
    await worker.expire(corridor.process)
    (row,) = await tell(corridor)
    content = await written(corridor, row)
    report = dsn.parse(content)
    assert report is not None
    assert report.recipients[0].status == "4.4.7"


@pytest.mark.parametrize(
    "changed",
    [
        {"source": Source.API},
        {"mail_class": MailClass.MARKETING},
        {"null_sender": True},
        {"content": CONTENT % b"Auto-Submitted: auto-replied\r\n"},
        {"content": CONTENT % b"Content-Type: multipart/report; boundary=x\r\n"},
        {"sender": "ann@stranger.test"},
        {"source": Source.NOTICE},
    ],
    ids=["by API", "marketing", "null sender", "an answer", "a report", "a stranger's domain", "a notice"],
)
async def test_nobody_is_told_who_must_not_be(corridor: Corridor, changed: dict[str, object]) -> None:
    before = 1 if changed.get("source") is Source.NOTICE else 0
    await bounced(corridor, **changed)
    assert len(await tell(corridor)) == before


async def test_a_workspace_may_do_without_notices(corridor: Corridor) -> None:
    async with changes.making(corridor.process, corridor.submitter.workspace_id, "user:ann@x.test") as change:
        workspace = await workspaces.find(change.connection, change.workspace_id)
        assert workspace is not None
        await workspaces.update(change, replace(Preferences.of(workspace), failure_notices=False))
    await bounced(corridor)
    assert await tell(corridor) == []
