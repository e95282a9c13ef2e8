"""The door: decides on submissions and has the ones it takes committed. 202 and 250 are said after `accept` has returned."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.intake import alignment, checks, opt_out, route, separation
from posthouse.intake.classify import classify
from posthouse.intake.commit import Answer, Call, Commit, Idempotency, KeyConflict, Replay
from posthouse.intake.links import LinkLists
from posthouse.intake.mass_watch import MassWatch
from posthouse.intake.rows import Decided
from posthouse.intake.scan import Scanner
from posthouse.model import limits
from posthouse.model.mail import Note, Receipt, Refused, Submission, Submitter, Warned
from posthouse.model.words import MailClass, Pool
from posthouse.outbox import bodies
from posthouse.runtime.group import Group
from posthouse.runtime.process import Process

__all__ = ["Door", "Idempotency", "KeyConflict", "Replay"]


class _Lane:
    """The commits of one pool, and what is said of them: a receipt does not stand in line behind a newsletter, at the door either."""

    def __init__(self, process: Process) -> None:
        self._commit = Commit(process)
        self._group: Group[Call, Answer] = Group(self._commit.run, limits.CALLS_PER_COMMIT)
        self.add = self._group.add
        self.rehearse = self._commit.rehearse

    async def close(self) -> None:
        """Returns when what was added is committed or refused, and announced."""
        await self._group.close()
        await self._commit.close()


class Door:
    """One per process that accepts. Groups the requests of the same milliseconds into one commit for each pool."""

    def __init__(self, process: Process, directory: Directory) -> None:
        self._process = process
        self._directory = directory
        self._lanes = {pool: _Lane(process) for pool in Pool}
        self._watch = MassWatch(process)
        self._links = LinkLists(process)
        scanner = process.settings.intake.malware_scanner
        self._scanner = Scanner(scanner, process.log) if scanner else None

    @classmethod
    def open(cls, process: Process, directory: Directory) -> "Door":
        """The door of this process."""
        return cls(process, directory)

    async def accept(
        self, submitter: Submitter, submissions: Sequence[Submission], idempotency: Idempotency | None = None
    ) -> Answer:
        """Receipts in the order of the submissions, after COMMIT; or the answer given to this key before.

        Raises one of DATABASE_GONE, or scan.ScannerError, when nothing could be promised: the caller says 503 or 451. A
        caller that is cancelled does not cancel the commit its request is part of; a request still in line is withdrawn, or
        every repetition said while the database stood still would be promised once it moves again.
        """
        decided = await self._decide_all(submitter, submissions)
        decided = self._watch.look(await self._directory.workspace(submitter.workspace_id), decided)
        refused: list[Receipt] = [d for d in decided if isinstance(d, Refused)]
        if len(refused) == len(decided):
            return refused
        call = Call(submitter.workspace_id, tuple(decided), idempotency)
        async with asyncio.timeout(limits.ACCEPT_S):
            return await self._lane(decided).add(call)

    async def dry_run(self, submitter: Submitter, submissions: Sequence[Submission]) -> list[Receipt]:
        """The same decisions with nothing kept, and what may harm the mail; the ids in the receipts name nothing."""
        decided = await self._decide_all(submitter, submissions)
        receipts = await self._lane(decided).rehearse(Call(submitter.workspace_id, tuple(decided), None))
        listed = iter(
            await self._links.warnings([each.submission.content for each in decided if isinstance(each, Decided)])
        )
        warned = [() if isinstance(each, Refused) else await self._misaligned(each) + next(listed) for each in decided]
        return [
            receipt if isinstance(receipt, Refused) else replace(receipt, warnings=found)
            for receipt, found in zip(receipts, warned, strict=True)
        ]

    async def close(self) -> None:
        """Returns when every promise under way is committed or refused."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))
        await self._watch.close()

    def _lane(self, decided: Sequence[Decided | Refused]) -> _Lane:
        """That of the most urgent pool any of it is for."""
        pools = {each.choice.pool for each in decided if isinstance(each, Decided)}
        return self._lanes[next((pool for pool in Pool if pool in pools), Pool.TRANSACTIONAL)]

    async def _misaligned(self, decided: Decided) -> tuple[Warned, ...]:
        """What to say of where its bounces return to."""
        workspace_id, domain = decided.submitter.workspace_id, decided.submission.sender.rpartition("@")[2].lower()
        if decided.submission.null_sender or not (await self._directory.workspace(workspace_id)).bounce_processing:
            return ()  # it returns to nobody, or to its sender
        own = await self._directory.bounce_domain(workspace_id, domain)
        found = alignment.warning(domain, own or self._process.settings.bounce_domain.lower())
        return (found,) if found else ()

    async def _decide_all(self, submitter: Submitter, submissions: Sequence[Submission]) -> list[Decided | Refused]:
        decided = [await self._decide(submitter, submission) for submission in submissions]
        if self._scanner is None:
            return decided
        found = iter(await self._scanner.find([d.submission.content for d in decided if isinstance(d, Decided)]))
        return [each if isinstance(each, Refused) else next(found) or each for each in decided]

    async def _decide(self, submitter: Submitter, submission: Submission) -> Decided | Refused:
        domain = submission.sender.rpartition("@")[2]
        allowed = await self._directory.may_send_as(submitter, domain) or checks.is_test_to_oneself(
            submission, submitter, self._process.settings.server.hostname
        )
        mail_class, class_reason = classify(submission, submitter)
        if refused := checks.refusal(submission, submitter, mail_class, allowed):
            return refused
        judged = await self._separate(submission, submitter, mail_class, domain)
        if isinstance(judged, Refused):
            return judged
        if judged:
            submission = replace(submission, notes=(*submission.notes, judged))
        if mail_class is MailClass.MARKETING:
            submission = opt_out.prepared(submission)
        message_id = submission.message_id or self._process.ids.new()
        encoding, stored = bodies.pack(submission.content, await self._seal(submitter.workspace_id, message_id))
        return Decided(
            submitter=submitter,
            submission=submission,
            choice=route.choose(
                submission, submitter, mail_class, class_reason, shared_pool=self._process.settings.delivery.shared_pool
            ),
            message_id=message_id,
            recipient_ids=tuple(self._process.ids.new() for _ in submission.recipients),
            encoding=encoding,
            stored=stored,
        )

    async def _separate(
        self, submission: Submission, submitter: Submitter, mail_class: MailClass, domain: str
    ) -> Note | Refused | None:
        """What the separation of classes says about this mail."""
        if refused := separation.pool_refusal(mail_class, submission.pool):
            return refused
        classes = await self._directory.domain_classes(submitter.workspace_id, domain)
        if not classes:
            return None
        workspace = await self._directory.workspace(submitter.workspace_id)
        return separation.domain_judgement(mail_class, domain, classes, workspace.class_policy)

    async def _seal(self, workspace_id: UUID, message_id: UUID) -> bodies.Seal | None:
        workspace = await self._directory.workspace(workspace_id)
        if not workspace.encrypt_bodies:
            return None
        key = await self._directory.data_key(workspace_id)
        place = bodies.place(workspace_id, message_id)
        return lambda plaintext: self._process.vault.seal(key, plaintext, place)
