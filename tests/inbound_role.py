"""The running inbound role, for tests that deliver to it."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.intake import inbound
from posthouse.intake.accept import Door
from posthouse.model.mail import Accepted, Recipient, Submission, Submitter
from posthouse.model.words import Kind, Scope, Source
from posthouse.runtime.process import Process
from posthouse.wire import verp
from posthouse.wire.verp import Purpose
from submission_role import bootstrap

ANNA = "anna@example.org"


class Office:
    """The running role, and one mail that was sent to Anna."""

    def __init__(self, process: Process, number: int, workspace_id: UUID, recipient_id: UUID) -> None:
        self.process, self._number = process, number
        self.workspace_id, self.recipient_id = workspace_id, recipient_id

    def address(self, purpose: Purpose, secret: bytes | None = None) -> str:
        local = verp.encode(
            purpose, self._number, self.recipient_id, secret or inbound.return_path_secret(self.process)
        )
        return f"{local}@{self.process.settings.bounce_domain}"

    async def deliver(self, to: str, content: bytes, mail_from: str = "") -> tuple[int, str]:
        return await asyncio.to_thread(self._deliver, to, content, mail_from)

    def _deliver(self, to: str, content: bytes, mail_from: str) -> tuple[int, str]:
        with smtplib.SMTP("127.0.0.1", self.process.settings.inbound.port, "mx.example.org", timeout=20) as client:
            client.ehlo()
            client.mail(mail_from)
            code, reply = client.rcpt(to)
            if code == 250:
                code, reply = client.data(content)
            return code, reply.decode()

    async def kinds(self) -> list[str]:
        rows = await self.process.pool.fetch(
            "SELECT kind FROM events WHERE recipient_id = $1 AND kind <> 'accepted' ORDER BY event_id",
            self.recipient_id,
        )
        return [row["kind"] for row in rows]

    async def suppressed(self) -> list[tuple[str, str]]:
        rows = await self.process.pool.fetch("SELECT scope, reason FROM suppressions WHERE address = $1", ANNA)
        return [(row["scope"], row["reason"]) for row in rows]


async def with_one_mail(process: Process) -> Office:
    known = await bootstrap.ensure(process)
    directory = Directory(process.pool, process.clock, process.vault)
    workspace = await directory.workspace(known.workspace_id)
    submitter = Submitter(
        known.workspace_id,
        workspace.number,
        process.ids.new(),
        "api_key",
        "test",
        frozenset({Scope.SEND}),
        any_domain=True,
    )
    content = b"From: shop@example.com\r\nTo: anna@example.org\r\nSubject: Hi\r\n\r\nHello\r\n"
    submission = Submission(
        Source.API, "shop@example.com", (Recipient(ANNA, Kind.TO),), "Hi", "<1@example.com>", content
    )
    door = Door.open(process, directory)
    receipts = await door.accept(submitter, [submission])
    await door.close()
    await directory.close()
    assert isinstance(receipts, list)
    assert isinstance(receipts[0], Accepted)
    return Office(process, workspace.number, known.workspace_id, receipts[0].recipients[0].recipient_id)


@contextlib.asynccontextmanager
async def running(process: Process) -> AsyncIterator[None]:
    ready = asyncio.Event()
    process.on_ready = ready.set
    task = asyncio.create_task(inbound.main(process))
    await asyncio.wait({asyncio.create_task(ready.wait()), task}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), await task
    try:
        yield
    finally:
        process.stopping.set()
        async with asyncio.timeout(30):
            await task
