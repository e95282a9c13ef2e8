"""A running submission role on the test's database, for tests that talk to it from outside."""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from posthouse.accounts import bootstrap
from posthouse.accounts.bootstrap import Bootstrap
from posthouse.intake import smtp
from posthouse.runtime.process import Process


@dataclass(frozen=True)
class Role:
    """A running submission role and what is needed to use it."""

    process: Process
    known: Bootstrap
    task: asyncio.Task[None]

    @property
    def port(self) -> int:
        return self.process.settings.submission.port

    async def ask(self, act: Callable[[smtplib.SMTP], object], *, starttls: bool = False) -> object:
        return await asyncio.to_thread(self._ask, act, starttls)

    def _ask(self, act: Callable[[smtplib.SMTP], object], starttls: bool) -> object:
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=20) as client:
            if starttls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                client.starttls(context=context)
            try:
                return act(client)
            except smtplib.SMTPResponseException as refused:
                return refused.smtp_code, refused.smtp_error.decode()

    def login(self, client: smtplib.SMTP) -> None:
        client.login(self.known.smtp_user, self.known.smtp_password)


@contextlib.asynccontextmanager
async def running(process: Process) -> AsyncIterator[Role]:
    known = await bootstrap.ensure(process)
    ready = asyncio.Event()
    process.on_ready = ready.set
    task = asyncio.create_task(smtp.main(process))
    await asyncio.wait({asyncio.create_task(ready.wait()), task}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), await task
    try:
        yield Role(process, known, task)
    finally:
        process.stopping.set()
        async with asyncio.timeout(30):
            await task
