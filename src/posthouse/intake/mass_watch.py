"""Watches the single messages of one process for mass mail, and compares notes with the others.

`look` decides from memory, for a few microseconds a mail. A text that went to more than one recipient is told to the other
processes within MASS_SHARE_S, at once when it goes to many; what they saw of it is learned on the same occasion. So a mass that is
spread over processes is found a second late at most, and mail that is written for one person each never costs a statement.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from posthouse.accounts import audit
from posthouse.accounts.workspaces import Workspace
from posthouse.intake import mass
from posthouse.intake.mass import Action, Sightings, Text
from posthouse.intake.rows import Decided
from posthouse.ledger import mass as known
from posthouse.ledger.mass import MassMailing
from posthouse.model import limits
from posthouse.model.mail import Note, Refused
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind
from posthouse.runtime.postgres import DATABASE_GONE, transaction
from posthouse.runtime.process import Process

_OFFENCES: Final = 1_000  # waiting to be written down; more masses than that at once are one and the same trouble


@dataclass(frozen=True, slots=True)
class _Offence:
    """A mass that was just found, to be kept and told."""

    workspace_id: UUID
    text: int
    actor: str
    why: str
    mailing: MassMailing


class MassWatch:
    """One per door."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sightings = Sightings()
        self._workspaces: dict[int, UUID] = {}
        self._offences: deque[_Offence] = deque(maxlen=_OFFENCES)
        self._telling: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._found = process.metrics.counter("mass_mails_total", "Mails of a mass, by what was done", ("action",))

    def look(self, workspace: Workspace, decided: Sequence[Decided | Refused]) -> list[Decided | Refused]:
        """The same decisions, but for mail of a mass: flagged, held or refused as the workspace's policy says."""
        minute = known.minute_of(self._process.clock.now())
        self._workspaces[workspace.number] = workspace.workspace_id
        looked = [each if isinstance(each, Refused) else self._look(workspace, each, minute) for each in decided]
        if self._telling is None and (self._offences or self._sightings.has_unshared()):
            self._telling = asyncio.create_task(self._tell(), name="mass watch")
        return looked

    async def close(self) -> None:
        """Returns when everything seen is told, which is then told at once."""
        self._closing.set()
        if self._telling is not None:
            await asyncio.wait([self._telling])

    def _look(self, workspace: Workspace, decided: Decided, minute: int) -> Decided | Refused:
        submission = decided.submission
        if mass.is_exempt(submission, decided.choice.mail_class):
            return decided
        text = workspace.number, mass.fingerprint(submission.content)
        mailing = self._sightings.note(text, (each.address for each in submission.recipients), minute)
        at_once = mass.too_many_at_once(submission)
        if not at_once and (mailing is None or not mailing.is_mass):
            return decided
        action = mass.action_for(decided.submitter, submission, workspace.mass_policy)
        first = mailing is None or mailing.told_at is None or mailing.told_at <= minute - limits.MASS_WINDOW_MINUTES
        why = mass.explain(at_once)
        if first:
            self._offences.append(self._offence(workspace, text, decided, action, why))
            if mailing is not None:
                mailing.told_at = minute
        self._found.labels(action).inc()
        return _treated(decided, action, why, first=first)

    def _offence(self, workspace: Workspace, text: Text, decided: Decided, action: Action, why: str) -> _Offence:
        submission = decided.submission
        mailing = MassMailing(
            found_at=self._process.clock.now(),
            action=action,
            message_id=None if action is Action.REFUSE else decided.message_id,
            sender=submission.sender,
            subject=submission.subject,
            reason=submission.mass_reason,
        )
        return _Offence(workspace.workspace_id, text[1], _actor(decided), why, mailing)

    async def _tell(self) -> None:
        """Compares notes until there is nothing new, one statement a second and workspace at most."""
        try:
            while self._offences or self._sightings.has_unshared():
                await self._wait()
                await self._tell_once()
        except DATABASE_GONE as error:
            # Nothing is lost but some seconds of what others might have known: nothing is accepted either meanwhile.
            self._process.log.warning("mass_watch.waits", error=str(error))
        except Exception:
            self._process.log.exception("mass_watch.failed")
        finally:
            self._telling = None

    async def _wait(self) -> None:
        for _ in range(10):
            if self._offences or self._closing.is_set() or self._sightings.has_unshared(limits.MASS_SHARE_SOON):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.MASS_SHARE_S / 10):
                    await self._closing.wait()

    async def _tell_once(self) -> None:
        while self._offences:
            await self._report(self._offences.popleft())
        minute = known.minute_of(self._process.clock.now())
        by_workspace: dict[int, dict[int, dict[int, int]]] = {}
        for (number, text), seen in self._sightings.unshared().items():
            by_workspace.setdefault(number, {})[text] = seen
        for number, texts in by_workspace.items():
            await self._compare(number, texts, minute)

    async def _compare(self, number: int, texts: dict[int, dict[int, int]], minute: int) -> None:
        workspace_id = self._workspaces[number]
        for some in _slices(list(texts), limits.MASS_SHARED):
            async with transaction(self._process.pool) as connection:
                # In order of their fingerprints: two processes that tell of the same texts must not wait for each other.
                await known.share(connection, workspace_id, {text: texts[text] for text in sorted(some)})
                told = await known.recent(connection, workspace_id, some, minute)
            for text, seen in told.items():
                self._sightings.learn((number, text), seen, minute)

    async def _report(self, offence: _Offence) -> None:
        mailing = offence.mailing
        async with transaction(self._process.pool) as connection:
            if await known.note(connection, offence.workspace_id, offence.text, mailing):
                detail: dict[str, object] = {"subject": mailing.subject, "why": offence.why, "reason": mailing.reason}
                await audit.record(
                    connection, offence.workspace_id, offence.actor, f"mass.{mailing.action}", mailing.sender, detail,
                    mailing.found_at,
                )  # fmt: skip


def _treated(decided: Decided, action: Action, why: str, *, first: bool) -> Decided | Refused:
    """One mail of a mass under the action. Only the first that is let through is marked, not every one of thousands."""
    match action:
        case Action.REFUSE:
            return mass.refusal(why)
        case Action.HOLD:
            return replace(decided, held=mass.held(why))
        case Action.FLAG:
            behind = _behind_the_others(decided)
            return _noted(behind, mass.flagged(why)) if first else behind
        case Action.ALLOW if first:
            return _noted(decided, mass.allowed(why, decided.submission.mass_reason))
        case _:
            return decided


def _behind_the_others(decided: Decided) -> Decided:
    """A priority the sender named stands: whoever sends an alarm to sixty people at 9 means it."""
    choice = decided.choice
    if decided.submission.priority is not None:
        return decided
    behind = replace(choice, priority=limits.PRIORITY_LOWEST, reason=f"{choice.reason} {mass.BEHIND}")
    return replace(decided, choice=behind)


def _actor(decided: Decided) -> str:
    submitter = decided.submitter
    return f"{'user' if submitter.credential_kind == 'user' else 'key'}:{submitter.name}"


def _noted(decided: Decided, text: str) -> Decided:
    submission = decided.submission
    return replace(
        decided, submission=replace(submission, notes=(*submission.notes, Note(EventKind.MASS_FLAGGED, text)))
    )


def _slices(texts: list[int], most: int) -> Iterable[list[int]]:
    return (texts[at : at + most] for at in range(0, len(texts), most))
