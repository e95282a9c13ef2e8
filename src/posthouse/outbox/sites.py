"""What owners of sites know of them: who owns what, which domain goes where, and what a site is held up by.

The tables hold no tenant's data. Owners write, everybody who has to explain why a mail waits reads.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from posthouse.model import limits
from posthouse.model.values import dataclass
from posthouse.model.words import Pool
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection, Record


class Standing(StrEnum):
    """How a site is doing: mail flows, every connection is at work, a rule slows it, or nothing goes at all."""

    FLOWING = "flowing"
    BUSY = "busy"
    LIMITED = "limited"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class SiteNote:
    """One site of one pool as its owner sees it. `rule` is where the reason is written down, `sentence` says it to a person."""

    site: str
    standing: Standing
    rule: str
    sentence: str
    until: datetime | None
    connections: int
    held: int
    mails_per_s: float


@dataclass(frozen=True, slots=True)
class Word:
    """What the receivers of a group have told one of our addresses: nothing goes until then, or at most `rate` and `connections`.

    `rate` is as shaping.toml writes it, "" for none.
    """

    source: str
    group: str
    suspends: bool
    rule: str
    sentence: str
    until: datetime
    rate: str
    connections: int | None


async def own(connection: Connection, pool: Pool, groups: Sequence[str], worker_id: UUID, now: datetime) -> set[str]:
    """Makes a worker the owner of groups of sites that nobody alive owns; those it owns now."""
    rows = await connection.fetch(SQL.own_groups, pool, sorted(groups), worker_id, now)
    return {row["site_group"] for row in rows}


async def disown(connection: Connection, pool: Pool, groups: Collection[str], worker_id: UUID) -> None:
    """Lets groups go: no connection to them is open any more."""
    await connection.execute(SQL.disown_groups, pool, list(groups), worker_id)


async def note(connection: Connection, pool: Pool, notes: Sequence[SiteNote], worker_id: UUID, now: datetime) -> None:
    """Writes down how sites are doing."""
    await connection.execute(
        SQL.note_sites,
        pool,
        [n.site for n in notes],
        [n.standing for n in notes],
        [n.rule for n in notes],
        [n.sentence for n in notes],
        [n.until for n in notes],
        [n.connections for n in notes],
        [n.held for n in notes],
        [n.mails_per_s for n in notes],
        worker_id,
        now,
    )


async def keep_words(connection: Connection, pool: Pool, words: Sequence[Word]) -> None:
    """Writes down what receivers said, for the next owner of their sites."""
    ordered = sorted(words, key=lambda word: (word.source, word.group))
    await connection.execute(
        SQL.keep_words,
        pool,
        [w.source for w in ordered],
        [w.group for w in ordered],
        [w.suspends for w in ordered],
        [w.rule for w in ordered],
        [w.sentence for w in ordered],
        [w.until for w in ordered],
        [w.rate for w in ordered],
        [w.connections for w in ordered],
    )


async def words_in_force(connection: Connection, pool: Pool, groups: Collection[str], now: datetime) -> list[Word]:
    """What still holds for these groups, whoever was told."""
    rows = await connection.fetch(SQL.words_in_force, pool, sorted(groups), now)
    return [Word(*row.values()) for row in rows]


async def all_words(connection: Connection, now: datetime) -> list[tuple[Pool, Word]]:
    """Everything that holds because a receiver said so."""
    rows = await connection.fetch(SQL.all_words, now)
    return [(Pool(pool), Word(*word)) for pool, *word in (row.values() for row in rows)]


async def lift(connection: Connection, group: str) -> int:
    """Somebody knows better than what receivers of this group said; how many words are lifted. Owners notice within a second."""
    return len(await connection.fetch(SQL.lift_words, group))


async def note_domains(connection: Connection, sites: Mapping[str, str], now: datetime) -> None:
    """Writes down at which site each domain's mail is."""
    ordered = sorted(sites.items())
    await connection.execute(SQL.note_domains, [d for d, _ in ordered], [s for _, s in ordered], now)


async def grant(connection: Connection, source: str, provider: str, day: date, mails: int, cap: int) -> int:
    """Grants a source `mails` more to a provider on a day, within its cap, in the caller's transaction; how many were granted.

    Granted before they are sent: after a crash too few go on that day, never too many.
    """
    await connection.execute(SQL.begin_grants, source, provider, day)
    already: int = await connection.fetchval(SQL.lock_grants, source, provider, day)
    granted = max(0, min(mails, cap - already))
    await connection.execute(SQL.add_grants, source, provider, day, granted)
    return granted


async def forget(connection: Connection, before: datetime) -> None:
    """Removes what nobody has seen since `before`."""
    await connection.execute(SQL.forget_sites, before)
    await connection.execute(SQL.forget_domains, before)
    await connection.execute(SQL.forget_grants, before.date())
    await connection.execute(SQL.forget_words, before)


# --- For those who ask why a mail waits


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where mail for some domains goes: `resolved` are the domains known, `notes` what the owners have said of their sites lately."""

    resolved: frozenset[str]
    notes: Mapping[tuple[Pool, str], SiteNote]  # by pool and domain


async def whereabouts(connection: Connection, domains: Collection[str], now: datetime) -> Whereabouts:
    """What is known of the sites of these domains. An owner that has been silent for long is not believed."""
    rows = await connection.fetch(SQL.sites_of_domains, sorted(domains), now - timedelta(seconds=limits.SITE_NOTE_S))
    notes = {(Pool(row["pool"]), row["domain"]): _note(row) for row in rows if row["pool"]}
    return Whereabouts(frozenset(row["domain"] for row in rows), notes)


def _note(row: Record) -> SiteNote:
    return SiteNote(
        row["site"],
        Standing(row["state"]),
        row["rule"],
        row["sentence"],
        row["until"],
        row["connections"],
        row["held"],
        row["mails_per_s"],
    )
