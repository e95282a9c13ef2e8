"""Opt-out links: what marketing mail carries so that its reader can end it, and what opening one may do.

The token is the local part of the unsubscribe address (`wire.verp`): whoever has it has had the mail, and nothing else is asked of
him. It never expires. `look` reads and changes nothing; `stop` records what mail to that address records (`reports`), and
`take_back` undoes no more than such a wish.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.accounts.workspaces import Workspace
from posthouse.intake import reports
from posthouse.intake.reports import Clues
from posthouse.ledger import suppression
from posthouse.ledger.suppression import MARKETING, UNSUBSCRIBE, Entry
from posthouse.model.mail import Note, Submission
from posthouse.model.words import EventKind, MailClass
from posthouse.outbox import messages
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.wire import list_unsubscribe, verp
from posthouse.wire.addresses import to_a_label
from posthouse.wire.verp import Purpose

PATH: Final = "/u/"
_REPLACED: Final = (
    "List-Unsubscribe was replaced by one for each recipient: it was not the pair of an https address and"
    " List-Unsubscribe-Post that mail programs need (RFC 8058)."
)


def prepared(submission: Submission) -> Submission:
    """A marketing submission with room for the fields each of its recipients gets: its own stay only if they do all that ours do. Pure."""
    content = list_unsubscribe.cleared(submission.content)
    if content is submission.content:
        return submission
    note = Note(EventKind.HEADER_IGNORED, _REPLACED)
    return replace(submission, content=content, notes=(*submission.notes, note))


@dataclass(frozen=True, slots=True)
class Doors:
    """Where this mail's reader finds us: a domain whose mail comes to us, and the sender's own link host, "" for none."""

    bounce_domain: str
    link_host: str = ""


def fields(settings: Settings, doors: Doors, token: str) -> bytes:
    """The fields of one recipient's mail."""
    base = f"https://{doors.link_host}" if doors.link_host else settings.public_url
    domain = doors.bounce_domain
    domain = domain if domain.isascii() else to_a_label(domain) or settings.server.hostname
    return list_unsubscribe.fields(base + PATH + token, f"{token}@{domain}")


@dataclass(frozen=True, slots=True)
class Link:
    """What a genuine token names."""

    workspace: Workspace
    recipient_id: UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the mail a link came with, and what its reader has stopped.

    `stopped` has the scopes of her own opt-outs that matter here; `blocked` says whether marketing like this mail stops at all,
    for those or other reasons. `sender` is empty where the message itself is not kept any more.
    """

    address: str
    sender: str
    mailing_type: str
    stopped: tuple[str, ...]
    blocked: bool

    @property
    def type_scope(self) -> str:
        """The narrowest that can be stopped: mail of this type, or all marketing where it has none."""
        return suppression.of_type(self.mailing_type) if self.mailing_type else MARKETING

    def has_stopped(self, scope: str) -> bool:
        """Whether this scope is among what its reader stopped."""
        return bool(_same(self.stopped, scope))


async def named(process: Process, directory: Directory, token: str) -> Link | None:
    """What the token of a link says; None when it is not ours."""
    found = verp.decode(token, process.vault.derive("return-path"))
    if found is None or found.purpose is not Purpose.UNSUBSCRIBE:
        return None
    workspace = await directory.workspace_by_number(found.workspace_number)
    return Link(workspace, found.recipient_id) if workspace is not None else None


async def look(process: Process, link: Link) -> Standing | None:
    """How things stand; None when nobody knows any more to whom the mail went."""
    workspace_id = link.workspace.workspace_id
    async with process.pool.acquire() as connection:
        row = await messages.recipient(connection, workspace_id, link.recipient_id)
        if row is None:
            return None
        message = await messages.find(connection, workspace_id, row.message_id)
        entries = await suppression.entries_of(connection, workspace_id, [row.address])
    mailing_type = message.mailing_type if message else ""
    found = entries.get(suppression.folded(row.address), [])
    return standing(row.address, message.sender if message else "", mailing_type, found, process.clock.now())


def standing(address: str, sender: str, mailing_type: str, entries: list[Entry], now: datetime) -> Standing:
    """How things stand for an address with these entries. Pure."""
    own = [entry.scope for entry in entries if entry.reason == UNSUBSCRIBE and suppression.lasts(entry, now)]
    blocked = suppression.blocking(entries, MailClass.MARKETING, now, mailing_type) is not None
    concerned = {MARKETING.casefold(), suppression.of_type(mailing_type).casefold()}
    return Standing(address, sender, mailing_type, tuple(s for s in own if s.casefold() in concerned), blocked)


async def stop(process: Process, link: Link, scope: str = "") -> bool:
    """Stops this scope, or the narrowest; False when nobody knows any more to whom the mail went."""
    clues = Clues((link.recipient_id,))
    return await reports.apply_unsubscribe(process, link.workspace.workspace_id, clues, scope)


async def take_back(process: Process, link: Link, seen: Standing, scope: str) -> bool:
    """Lifts an opt-out of this scope, and nothing that stands there for another reason."""
    wanted = _same(seen.stopped, scope)
    return await reports.take_back(process, link.workspace.workspace_id, link.recipient_id, wanted)


def _same(scopes: tuple[str, ...], scope: str) -> list[str]:
    """Names of types that differ in upper and lower case are of one type."""
    return [each for each in scopes if each.casefold() == scope.casefold()]
