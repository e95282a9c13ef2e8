"""A whole corridor in one process for tests: the lab's credentials, a door, and a delivery role that sends to one address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from posthouse.accounts import bootstrap
from posthouse.accounts.directory import Directory
from posthouse.delivery import host, worker
from posthouse.intake.accept import Door
from posthouse.model.mail import Accepted, Recipient, Submission, Submitter
from posthouse.model.words import FINAL_STATES, Kind, Source, State
from posthouse.outbox import messages
from posthouse.outbox.messages import RecipientRow
from posthouse.runtime.process import Process

CONTENT = b"From: Ann <ann@example.test>\r\nTo: bob@there.test\r\nSubject: hello\r\nMessage-ID: <1@example.test>\r\n\r\nHello\r\n"

MakeProcess = Callable[..., Process]


@dataclass(slots=True)
class Corridor:
    """One workspace with a submitter that may send from any domain, and the ways in and out."""

    make_process: MakeProcess
    submitter: Submitter
    door: Door
    process: Process

    def submission(self, *addresses: str, **changes: Any) -> Submission:
        """A message from ann@example.test to these addresses."""
        values: dict[str, Any] = {
            "source": Source.API,
            "sender": "ann@example.test",
            "recipients": tuple(Recipient(address, Kind.TO) for address in addresses),
            "subject": "hello",
            "message_id_header": "<1@example.test>",
            "content": CONTENT,
        }
        return Submission(**(values | changes))

    async def send(self, *addresses: str, **changes: Any) -> Accepted:
        """Accepts one message."""
        answer = await self.door.accept(self.submitter, [self.submission(*addresses, **changes)])
        assert isinstance(answer, list)
        assert isinstance(answer[0], Accepted), answer
        return answer[0]

    async def recipients(self, message_id: UUID) -> list[RecipientRow]:
        """Where each recipient's mail is."""
        async with self.process.pool.acquire() as connection:
            return await messages.recipients(connection, self.submitter.workspace_id, message_id)

    async def settled(self, accepted: Sequence[Accepted], patience_s: float = 30) -> list[RecipientRow]:
        """Every recipient of these messages, once all are final."""
        async with asyncio.timeout(patience_s):
            while True:
                rows = [row for one in accepted for row in await self.recipients(one.message_id)]
                if all(row.state in FINAL_STATES for row in rows):
                    return rows
                await asyncio.sleep(0.02)

    async def expire_once_tried(self, accepted: Accepted, patience_s: float = 30) -> None:
        """Ends the time of a message whose every recipient was tried and is to be tried again."""
        async with asyncio.timeout(patience_s):
            while True:
                rows = await self.recipients(accepted.message_id)
                if all(row.attempts and row.state is State.WAITING for row in rows):
                    break
                await asyncio.sleep(0.02)
        await self.process.pool.execute(
            "UPDATE outbox SET expires_at = now() WHERE message_id = $1", accepted.message_id
        )

    @contextlib.asynccontextmanager
    async def delivering(self, port: int, *, housekeeping: bool = True, **delivery: Any) -> AsyncIterator[Process]:
        """The delivery role, and the worker's, running against a receiver on a port of this machine."""
        process = self.make_process("delivery", delivery={"routes": {"*": f"127.0.0.1:{port}"}, **delivery})
        tasks = [asyncio.create_task(host.main(process))]
        if housekeeping:
            tasks.append(asyncio.create_task(worker.main(process)))
        try:
            yield process
        finally:
            process.stopping.set()
            await asyncio.gather(*tasks)


@contextlib.asynccontextmanager
async def open_corridor(make_process: MakeProcess, *, alert_mail: bool = False) -> AsyncIterator[Corridor]:
    """A corridor on the test's database. Without `alert_mail`, receivers are spared what administrators are told in the midst of a test."""
    process = make_process("web", lab={"enabled": True})
    started = await bootstrap.ensure(process)
    if not alert_mail:
        await process.pool.execute("INSERT INTO alert_turns SELECT workspace_id, 'infinity' FROM workspaces")
    async with Directory.open(process) as directory:
        submitter = await directory.by_api_key(started.api_key, "127.0.0.1")
        assert submitter is not None
        door = Door.open(process, directory)
        yield Corridor(make_process, submitter, door, process)
        await door.close()


def later(process: Process, **delta: float) -> datetime:
    """A time relative to the process's clock."""
    from datetime import timedelta

    return process.clock.now() + timedelta(**delta)
