"""A list of addresses, looked at before anybody is written to: its spelling, its domains, and what earlier mail taught us."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from posthouse.accounts.dkim_store import LAB_DOMAIN
from posthouse.audience import hygiene, mail_domains
from posthouse.audience.hygiene import Entry, Examined, Summary
from posthouse.audience.mail_domains import Lookup
from posthouse.ledger import suppression
from posthouse.model.words import MailClass
from posthouse.runtime.postgres import Connection, Pool
from posthouse.runtime.settings import Settings

_AT_ONCE = 10_000  # addresses looked up in one statement


@dataclass(frozen=True, slots=True)
class ListReport:
    """The list as a whole, every address of it, and those that something is the matter with."""

    summary: Summary
    examined: tuple[Examined, ...]
    remarkable: tuple[Examined, ...]


@dataclass(frozen=True, slots=True)
class Domains:
    """Who is asked about domains, and for how long in all; None: as long as it takes. `own` take mail and are in no DNS."""

    lookup: Lookup
    patience_s: float | None = None
    own: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings, lookup: Lookup, patience_s: float | None = None) -> Self:
        """As an installation asks: the lab delivers to its own domain."""
        return cls(lookup, patience_s, frozenset({LAB_DOMAIN} if settings.lab.enabled else ()))


async def check(
    pool: Pool | None, workspace_id: UUID | None, text: str, domains: Domains | None, now: datetime
) -> ListReport:
    """Look at a list. Without a database nothing is known of earlier mail, without somebody to ask nothing of domains.

    The database waits for nobody: a connection is taken once the DNS has answered.
    """
    entries = list(hygiene.read(text))
    bounced: dict[str, str] = {}
    opted_out: dict[str, str] = {}
    states = await _asked(entries, domains) if domains else _taken_on_trust(entries)
    if pool is not None and workspace_id is not None:
        async with pool.acquire() as connection:
            bounced, opted_out = await _known(connection, workspace_id, entries, now)
    examined = list(hygiene.examine(entries, states, bounced, opted_out))
    return ListReport(hygiene.summary(examined), tuple(examined), tuple(each for each in examined if each.findings))


async def _asked(entries: Sequence[Entry], domains: Domains) -> dict[str, hygiene.DomainState]:
    named = hygiene.domains(entries)
    states = await mail_domains.ask(
        [each for each in named if each not in domains.own], domains.lookup, domains.patience_s
    )
    return states | dict.fromkeys(domains.own.intersection(named), hygiene.DomainState.MAIL)


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
