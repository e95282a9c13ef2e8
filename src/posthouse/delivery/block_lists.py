"""Watches whether the addresses our mail leaves from stand on block lists, and keeps mail away from those that do.

    watch      the worker's round: whose turn it is -> ask -> what that means (`next_state`, pure) -> note, alert -> suspend or resume
    listed_of  what a pool's dispatcher leaves out of rotation

A list is believed while it answers as one that works: it lists 127.0.0.2 and not 127.0.0.1. What it does not say changes nothing. A listing
ends by itself after two clean looks in a row. A suspension that a person ends is not begun again for the same listing.

Where the settings name no address, ours are those of the hostname. Behind a next hop for all mail it is not us whom receivers see.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import Final
from uuid import UUID

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Level, Trouble
from posthouse.delivery.sources import Source, of_settings, shown
from posthouse.delivery.sql import SQL
from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.model import limits
from posthouse.model.sentences import Clause, Sentence, Value
from posthouse.model.values import dataclass
from posthouse.model.words import Pool
from posthouse.outbox import claims, suspensions
from posthouse.runtime.dns import Resolver
from posthouse.runtime.postgres import Connection, Executor, transaction
from posthouse.runtime.process import Process
from posthouse.runtime.reach import Reach
from posthouse.runtime.settings import Settings
from posthouse.wire import dnsbl
from posthouse.wire.dnsbl import Meaning, Said

KIND: Final = "ip.listed"
ACTOR: Final = "block list watch"
_PUBLIC: Final = Reach()


@dataclass(frozen=True, slots=True)
class State:
    """What is taken to be so of one address on one list, and how often in a row the list has said otherwise."""

    listed_at: datetime | None
    clean_looks: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """One address on one list as it was just found: `reason` in the list's words, `removal` where to ask for removal."""

    meaning: Meaning
    reason: str = ""
    removal: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A row for those who ask."""

    address: str
    zone: str
    looked_at: datetime | None
    listed_at: datetime | None
    codes: str
    reason: str
    removal: str
    trouble: str


def next_state(state: State, said: Said, now: datetime) -> State:
    """What is so after one more look."""
    if said is Said.LISTED:
        return State(state.listed_at or now)
    if said is Said.UNKNOWN or state.listed_at is None:
        return state
    clean = replace(state, clean_looks=state.clean_looks + 1)
    return State(None) if clean.clean_looks >= limits.BLOCK_LIST_CLEAN_LOOKS else clean


def is_out(addresses: Iterable[str], listed: Iterable[str]) -> bool:
    """Whether nothing is left to send from: receivers reached by IPv4 see one of its addresses, so IPv6 alone is no way out."""
    own, on_list = set(addresses), set(listed)
    seen = {each for each in own if ":" not in each} or own
    return bool(seen) and seen <= on_list


class Watch:
    """The round of the worker."""

    __name__ = "watch_block_lists"

    def __init__(self, settings: Settings, random: Random | None = None) -> None:
        self._settings = settings
        self._zones = list(settings.block_lists.zones)
        self._random = random or SystemRandom()
        # until when these addresses of the hostname are believed, monotonic
        self._host: tuple[float, tuple[str, ...]] = (0.0, ())

    async def __call__(self, process: Process) -> None:
        """Looks up what is due and sees to what follows."""
        pools = await self._pools(process)
        addresses = sorted({address for each in pools.values() for address in each})
        now = process.clock.now()
        async with process.pool.acquire() as connection:
            before = now - timedelta(seconds=limits.BLOCK_LIST_FORGET_S)
            gone = await connection.fetch(SQL.forget_listings, addresses, self._zones, before)
            pairs = [(address, zone) for address in addresses for zone in self._zones]
            await connection.execute(SQL.watch_listings, [a for a, _ in pairs], [z for _, z in pairs], now)
            later = now + timedelta(seconds=limits.BLOCK_LIST_LOOK_S * (0.9 + 0.2 * self._random.random()))
            due = await connection.fetch(SQL.claim_looks, addresses, self._zones, now, later, limits.BLOCK_LIST_LOOKS)
            workspaces = await claims.workspaces(connection)
        for row in gone:
            if row["listed_at"] is not None:
                await _tell_over(process, workspaces, row["address"], row["zone"])
        looks = await self._looks(process, {(row["address"], row["zone"]) for row in due})
        for row in due:
            state = State(row["listed_at"], row["clean_looks"])
            await self._note(
                process, workspaces, row["address"], row["zone"], state, looks[row["address"], row["zone"]]
            )
        await self._enforce(process, workspaces, pools)

    async def _pools(self, process: Process) -> dict[Pool, tuple[str, ...]]:
        """The public addresses each pool sends from."""
        delivery = self._settings.delivery
        if not self._zones or "*" in delivery.routes or self._settings.lab.enabled:
            return {}
        used = [Pool.TRANSACTIONAL] if delivery.shared_pool else list(Pool)
        found = {}
        for pool in used:
            sources = _sources(self._settings, pool)
            named = [shown(source) for source in sources if source.address]
            if len(named) < len(sources):
                named += await self._addresses_of_host(process)
            found[pool] = tuple(address for address in named if _PUBLIC.may_connect(address))
        return found

    async def _addresses_of_host(self, process: Process) -> tuple[str, ...]:
        now = process.clock.monotonic()
        if now >= self._host[0]:
            answer = await self._resolver().addresses(self._settings.server.hostname)
            known = tuple(answer.records) if answer.is_final else self._host[1]
            self._host = (now + limits.BLOCK_LIST_LOOK_S, known)
        return self._host[1]

    def _resolver(self) -> Resolver:
        """Anew each time: what it remembers would be as old as the last look."""
        return Resolver(self._settings.delivery.resolvers)

    async def _looks(self, process: Process, due: set[tuple[str, str]]) -> dict[tuple[str, str], Look]:
        """What the lists say, of each only while it answers as one that works."""
        resolver = self._resolver()
        zones = sorted({zone for _, zone in due})
        broken = dict(zip(zones, await asyncio.gather(*(_broken(resolver, zone) for zone in zones)), strict=True))
        for zone, detail in broken.items():
            if detail:
                process.log.warning("block_list.silent", zone=zone, detail=detail)
        asked = sorted(pair for pair in due if not broken[pair[1]])
        found = dict(zip(asked, await asyncio.gather(*(_look(resolver, *pair) for pair in asked)), strict=True))
        unknown = {pair: Look(Meaning(Said.UNKNOWN, detail=broken[pair[1]])) for pair in due if broken[pair[1]]}
        return found | unknown

    async def _note(
        self, process: Process, workspaces: list[UUID], address: str, zone: str, state: State, look: Look
    ) -> None:
        now, said = process.clock.now(), look.meaning.said
        after = next_state(state, said, now)
        told = (" ".join(look.meaning.codes), look.reason, look.removal) if said is Said.LISTED else (None, None, None)
        async with process.pool.acquire() as connection:
            found = (after.listed_at, after.clean_looks, look.meaning.detail)
            await connection.execute(SQL.note_look, address, zone, now, *found, *told)
        if said is Said.LISTED:
            process.log.warning("block_list.listed", address=address, zone=zone, codes=list(look.meaning.codes))
            clauses = self._clauses(address, zone, look)
            trouble = Trouble.of(KIND, _subject(address, zone), Level.CRITICAL, clauses, "/queue")
            for workspace_id in workspaces:
                async with transaction(process.pool) as connection:
                    await alerts.report(connection, workspace_id, trouble, process.ids, ACTOR, now)
        elif state.listed_at is not None and after.listed_at is None:
            process.log.info("block_list.clean", address=address, zone=zone)
            await _tell_over(process, workspaces, address, zone)

    def _clauses(self, address: str, zone: str, look: Look) -> list[Clause]:
        values: dict[str, Value] = {
            "address": address,
            "zone": zone,
            "reason": look.reason.rstrip("."),
            "url": look.removal,
        }
        told = Sentence(
            "Mail leaves from {address}, which is on the block list {zone}: many receivers will refuse it.", values
        )
        clauses: list[Clause] = [told]
        if look.reason:
            clauses.append(Sentence("It says: {reason}.", values))
        if self._settings.block_lists.action == "pause":
            follows = Sentence(
                "No mail leaves from it any more where there is another; a pool without another is suspended.", {}
            )
            clauses.append(follows)
        where = (
            Sentence("Ask for its removal at {url}, once you know how it came there.", values)
            if look.removal
            else Sentence("Ask those who run {zone} for its removal, once you know how it came there.", values)
        )
        return [*clauses, where]

    async def _enforce(self, process: Process, workspaces: list[UUID], pools: Mapping[Pool, tuple[str, ...]]) -> None:
        """Suspends pools with nothing to send from, and resumes those that have something again."""
        listed: dict[str, datetime] = {}
        if self._settings.block_lists.action == "pause" and pools:
            async with process.pool.acquire() as connection:
                listed = await _listed(connection, {a for each in pools.values() for a in each}, self._zones)
        stopped = {pool: addresses for pool, addresses in pools.items() if is_out(addresses, listed)}
        for workspace_id in workspaces:
            async with process.pool.acquire() as connection:
                whole = [
                    each
                    for each in await suspensions.in_force(connection, workspace_id, process.clock.now())
                    if each.domain is None
                ]
            over = [each.suspension_id for each in whole if each.created_by == ACTOR and each.pool not in stopped]
            if over:
                await operate.resume(process, workspace_id, over, ACTOR)
            for pool, addresses in stopped.items():
                if all(each.pool is not pool for each in whole):
                    await _suspend(process, workspace_id, pool, {a: listed[a] for a in addresses if a in listed})


async def listed_of(connection: Connection, settings: Settings, pool: Pool) -> frozenset[str]:
    """The addresses of a pool that are to be left out of rotation."""
    addresses = [shown(source) for source in _sources(settings, pool) if source.address]
    if len(addresses) < 2 or not settings.block_lists.zones or settings.block_lists.action != "pause":
        return frozenset()
    return frozenset(await _listed(connection, addresses, settings.block_lists.zones))


async def listings(connection: Executor) -> list[Listing]:
    """What is known of all addresses on all lists, those that are listed first."""
    return [Listing(**dict(row.items())) for row in await connection.fetch(SQL.listings)]


def _sources(settings: Settings, pool: Pool) -> tuple[Source, ...]:
    own = settings.pool(pool)
    return of_settings(own.sources, own.helo)


async def _listed(connection: Connection, addresses: Iterable[str], zones: Iterable[str]) -> dict[str, datetime]:
    rows = await connection.fetch(SQL.listed_addresses, list(addresses), list(zones))
    return {row["address"]: row["since"] for row in rows}


async def _suspend(process: Process, workspace_id: UUID, pool: Pool, listed: Mapping[str, datetime]) -> None:
    """Once for a listing: whoever resumed it since wants the mail to go."""
    async with process.pool.acquire() as connection:
        if await suspensions.was_begun(connection, workspace_id, pool, ACTOR, max(listed.values())):
            return
    reason = f"Every address this pool sends from is on a block list: {', '.join(sorted(listed))}."
    found = await operate.suspend(process, workspace_id, Stop(pool=pool, reason=reason), ACTOR)
    if isinstance(found, tuple):
        process.log.warning("block_list.not_suspended", pool=pool, problem=found[0].detail)


async def _tell_over(process: Process, workspaces: Iterable[UUID], address: str, zone: str) -> None:
    for workspace_id in workspaces:
        async with transaction(process.pool) as connection:
            await alerts.end(connection, workspace_id, KIND, _subject(address, zone), ACTOR, process.clock.now())


async def _broken(resolver: Resolver, zone: str) -> str:
    """Why this list is not to be believed now, "" when it is."""
    listed, unlisted = await asyncio.gather(
        *(_asked(resolver, address, zone) for address in (dnsbl.ALWAYS_LISTED, dnsbl.NEVER_LISTED))
    )
    return dnsbl.trouble(listed, unlisted)


async def _asked(resolver: Resolver, address: str, zone: str) -> Meaning:
    return dnsbl.meaning(await resolver.addresses(dnsbl.question(address, zone), (4,)), zone)


async def _look(resolver: Resolver, address: str, zone: str) -> Look:
    meaning = await _asked(resolver, address, zone)
    if meaning.said is not Said.LISTED:
        return Look(meaning)
    texts = await resolver.txt(dnsbl.question(address, zone))
    reason = dnsbl.reason(texts.records)
    return Look(meaning, reason, dnsbl.removal(zone, reason))


def _subject(address: str, zone: str) -> str:
    return f"{address} on {zone}"
