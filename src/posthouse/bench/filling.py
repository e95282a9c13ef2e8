"""Puts a backlog into the queue: through the product's own door (`intake.accept`) in this process, a thousand messages a commit.

What is queued so cannot differ from what SMTP and HTTP would have queued; only their parsing is left out.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from posthouse.accounts.directory import Directory
from posthouse.bench.failure import BenchError
from posthouse.bench.installation import Installation
from posthouse.bench.mails import BACKLOG_OCTETS, SENDER, message, text
from posthouse.intake.accept import Door
from posthouse.model.mail import Accepted, Recipient, Submission, Submitter
from posthouse.model.words import Kind, Source

_CALL: Final = 1_000  # messages
_CALLS_AT_ONCE: Final = 3  # one is committed while the next ones are prepared
_TELL_S: Final = 2.0


async def fill(
    installation: Installation, domain: str, numbers: range, priority: int | None, tell: Callable[[str], None]
) -> None:
    """Queues the mails with these numbers, of BACKLOG_OCTETS each, for a domain. Raises BenchError when one is refused."""
    async with installation.beside() as process, Directory.open(process) as directory:
        submitter = await directory.by_api_key(installation.said.api_key, "127.0.0.1")
        if submitter is None:
            raise BenchError("the lab's key is not known")
        door = Door.open(process, directory)
        calls = _calls(domain, numbers, priority)
        progress = _Progress(len(numbers), tell)
        await asyncio.gather(*(_queue(door, submitter, calls, progress) for _ in range(_CALLS_AT_ONCE)))
        await door.close()


async def _queue(door: Door, submitter: Submitter, calls: Iterator[list[Submission]], progress: "_Progress") -> None:
    for submissions in calls:
        answer = await door.accept(submitter, submissions)
        if not isinstance(answer, list) or not all(isinstance(receipt, Accepted) for receipt in answer):
            raise BenchError(f"the door refused a backlog: {answer!r:.300}")
        progress.advance(len(answer))


def _calls(domain: str, numbers: range, priority: int | None) -> Iterator[list[Submission]]:
    body = text(BACKLOG_OCTETS - 250)
    for first in range(0, len(numbers), _CALL):
        yield [_submission(number, domain, body, priority) for number in numbers[first : first + _CALL]]


def _submission(number: int, domain: str, body: str, priority: int | None) -> Submission:
    to = f"user-{number}@{domain}"
    return Submission(
        source=Source.API,
        sender=SENDER,
        recipients=(Recipient(to, Kind.TO),),
        subject=f"Message {number}",
        message_id_header=f"<{number}@bench.test>",
        content=message(number, to, body),
        priority=priority,
    )


class _Progress:
    """Tells how far a long filling is."""

    def __init__(self, total: int, tell: Callable[[str], None]) -> None:
        self._total, self._tell, self._done = total, tell, 0
        self._began = self._told_at = time.monotonic()

    def advance(self, mails: int) -> None:
        """So many more are queued."""
        self._done += mails
        now = time.monotonic()
        if now - self._told_at >= _TELL_S and self._done < self._total:
            self._told_at = now
            rate = self._done / (now - self._began)
            left_s = (self._total - self._done) / rate
            self._tell(f"queued {self._done:,} of {self._total:,} mails, {rate:,.0f}/s, {left_s:,.0f} s left")
