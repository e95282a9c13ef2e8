"""A list of addresses, looked at before anybody is written to: its spelling, its domains, and what earlier mail taught us."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.audience import hygiene, mail_domains
from posthouse.audience.hygiene import Entry, Examined, Summary
from posthouse.audience.mail_domains import Lookup
from posthouse.ledger import suppression
from posthouse.model.words import MailClass
from posthouse.runtime.postgres import Connection

_AT_ONCE = 10_000  # addresses looked up in one statement


@dataclass(frozen=True, slots=True)
class ListReport:
    """The list as a whole, every address of it, and those that something is the matter with."""

    summary: Summary
    examined: tuple[Examined, ...]
    remarkable: tuple[Examined, ...]


async def check(
    connection: Connection | None, workspace_id: UUID | None, text: str, lookup: Lookup | None, now: datetime
) -> ListReport:
    """Look at a list. Without a connection nothing is known of earlier mail, without a lookup nothing of domains."""
    entries = list(hygiene.read(text))
    states = await mail_domains.ask(hygiene.domains(entries), lookup) if lookup else _taken_on_trust(entries)
    bounced, opted_out = (
        await _known(connection, workspace_id, entries, now) if connection and workspace_id else ({}, {})
    )
    examined = list(hygiene.examine(entries, states, bounced, opted_out))
    return ListReport(hygiene.summary(examined), tuple(examined), tuple(each for each in examined if each.findings))


def _taken_on_trust(entries: Sequence[Entry]) -> dict[str, hygiene.DomainState]:
    return dict.fromkeys(hygiene.domains(entries), hygiene.DomainState.MAIL)


async def _known(
    connection: Connection, workspace_id: UUID, entries: Sequence[Entry], now: datetime
) -> tuple[dict[str, str], dict[str, str]]:
    """Why addresses are not written to at all, and why not with marketing."""
    bounced: dict[str, str] = {}
    opted_out: dict[str, str] = {}
    for start in range(0, len(entries), _AT_ONCE):
        addresses = [entry.written for entry in entries[start : start + _AT_ONCE]]
        for address, found in (await suppression.entries_of(connection, workspace_id, addresses)).items():
            if reason := suppression.blocking(found, MailClass.TRANSACTIONAL, now):
                bounced[address] = reason
            elif reason := suppression.blocking(found, MailClass.MARKETING, now):
                opted_out[address] = reason
    return bounced, opted_out
