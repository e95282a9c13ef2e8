"""Whether what a mail links to stands on block lists of domains, which a sender is told before anything is sent.

    LinkLists.warnings  hosts of the links -> ask each list that works -> `warnings` (pure)

A list is believed while it answers as one that works: it lists its test point, and not what no list has. One that is silent, slow or
refuses us says nothing, and `posthouse doctor` tells why. Only a dry run asks: a mail that is handed over waits for no name server.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from posthouse.content import links
from posthouse.model.limits import LINK_CALL_OCTETS, LINK_HOSTS, LINK_LOOK_S
from posthouse.model.mail import Warned
from posthouse.model.values import dataclass
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process
from posthouse.wire import dnsbl, uribl
from posthouse.wire.dnsbl import Meaning, Said

LISTED: Final = "link_listed"


@dataclass(frozen=True, slots=True)
class Listing:
    """A domain on a list: `zone` as people may see it, `reason` in the list's words, `removal` where to ask for removal."""

    name: str
    zone: str
    reason: str = ""
    removal: str = ""


class LinkLists:
    """The lists of the settings. One for each door; its resolver remembers what they said for as long as they want it believed."""

    def __init__(self, process: Process) -> None:
        settings = process.settings
        self._zones = () if settings.lab.enabled else settings.block_lists.link_zones
        self._process = process

    @cached_property
    def _resolver(self) -> Resolver:
        """Made when the first dry run comes: most doors never see one."""
        return Resolver(self._process.settings.delivery.resolvers, clock=self._process.clock)

    async def warnings(self, contents: Sequence[bytes]) -> list[tuple[Warned, ...]]:
        """For each message what to say of its links, after LINK_LOOK_S at most."""
        if not self._zones:
            return [()] * len(contents)
        found = await asyncio.to_thread(lambda: list(_read(contents)))
        listings = await self._listings(_names(host for hosts in found for host in hosts))
        return [warnings(hosts, listings) for hosts in found]

    async def _listings(self, names: Sequence[str]) -> list[Listing]:
        if not names:
            return []
        asking = {asyncio.create_task(self._ask(zone, names)): zone for zone in self._zones}
        try:
            await asyncio.wait(asking, timeout=LINK_LOOK_S)
        finally:
            slow = [task for task in asking if task.cancel()]
        for task in slow:
            self._process.log.warning(
                "link_list.silent", zone=uribl.shown(asking[task]), detail="it did not answer in time"
            )
        return [listing for task in asking if task not in slow for listing in task.result()]

    async def _ask(self, zone: str, names: Sequence[str]) -> list[Listing]:
        """What one list has of these names; nothing while it is not to be believed."""
        if why := await trouble(self._resolver, zone):
            self._process.log.warning("link_list.silent", zone=uribl.shown(zone), detail=why)
            return []
        found = await asyncio.gather(*(_said(self._resolver, name, zone) for name in names))
        listed = [name for name, said in zip(names, found, strict=True) if said.said is Said.LISTED]
        return list(await asyncio.gather(*(self._listing(name, zone) for name in listed)))

    async def _listing(self, name: str, zone: str) -> Listing:
        texts = await self._resolver.txt(uribl.question(name, zone))
        reason = dnsbl.reason(texts.records)
        return Listing(name, uribl.shown(zone), reason, dnsbl.removal(zone, reason))


async def trouble(resolver: Resolver, zone: str) -> str:
    """Why this list is not to be believed now, "" when it is."""
    points = (uribl.always_listed(zone), uribl.NEVER_LISTED)
    listed, unlisted = await asyncio.gather(*(_said(resolver, name, zone) for name in points))
    return dnsbl.trouble(listed, unlisted)


def warnings(hosts: Iterable[str], listings: Iterable[Listing]) -> tuple[Warned, ...]:
    """One for each listed domain the hosts belong to, with all lists that have it. Pure."""
    by_name: dict[str, list[Listing]] = {}
    for each in listings:
        by_name.setdefault(each.name, []).append(each)
    told: dict[str, list[Listing]] = {}
    for host in hosts:
        # Of a name and one below it the shorter says all.
        on_lists = [(name, by_name[name]) for name in uribl.names(host) if name in by_name]
        if on_lists:
            zones = {each.zone: each for _, found in reversed(on_lists) for each in found}
            told.setdefault(on_lists[0][0], list(zones.values()))
    return tuple(_warned(domain, found) for domain, found in told.items())


def _warned(domain: str, found: Sequence[Listing]) -> Warned:
    values = {
        "domain": domain,
        "lists": ", ".join(each.zone for each in found),
        "reason": next((each.reason for each in found if each.reason), ""),
        "removal": next((each.removal for each in found if each.removal), ""),
    }
    return Warned(LISTED, _sentence(values, several=len(found) > 1), values)


def _sentence(values: Mapping[str, str], *, several: bool) -> str:
    on = f"on the block list{'s' if several else ''} {values['lists']}"
    said = f" It says: {values['reason'].rstrip('.')}." if values["reason"] else ""
    removal = values["removal"] if values["removal"] not in values["reason"] else ""
    where = f" {removal} tells why and how it gets off." if removal else ""
    return f"A link leads to {values['domain']}, which is {on}: many filters take mail with it for spam.{said}{where}"


def _read(contents: Iterable[bytes]) -> Iterator[tuple[str, ...]]:
    """The hosts of each message, as long as there are LINK_CALL_OCTETS to read."""
    left = LINK_CALL_OCTETS
    for content in contents:
        yield links.hosts(content) if left > 0 else ()
        left -= len(content)


def _names(hosts: Iterable[str]) -> list[str]:
    """What to ask about the first LINK_HOSTS different ones."""
    some = list(dict.fromkeys(hosts))[:LINK_HOSTS]
    return list(dict.fromkeys(name for host in some for name in uribl.names(host)))


async def _said(resolver: Resolver, name: str, zone: str) -> Meaning:
    return uribl.meaning(await resolver.addresses(uribl.question(name, zone), (4,)), zone)
