"""What receivers make of a domain's mail today: asked of the live DNS, judged with the code of a receiver.

SPF is judged for every address this installation sends from, with the return path the next mail would have; DKIM holds where a key
that signs is published, since what we sign we sign right; DMARC draws the conclusion.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.accounts.dns_lookups import ResolverLookups
from posthouse.accounts.dns_records import PublishedKey, SendingDomain, dkim_record, judge
from posthouse.model.words import Pool
from posthouse.runtime.dns import Resolver
from posthouse.runtime.settings import Settings
from posthouse.wire import dmarc, spf
from posthouse.wire.dkim_verify import DkimResult, DkimStatus
from posthouse.wire.dmarc import DmarcStatus, DmarcVerdict, Policy
from posthouse.wire.spf import SpfResult, SpfStatus

_WORST_FIRST: Final = (
    SpfStatus.PERMERROR, SpfStatus.TEMPERROR, SpfStatus.FAIL, SpfStatus.SOFTFAIL, SpfStatus.NEUTRAL, SpfStatus.NONE, SpfStatus.PASS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One look at a domain. `own` tells whether bounces return to a domain of the customer; `unproven` what becomes of mail that
    passes neither check: none (delivered all the same), quarantine or reject."""

    from_domain: str
    return_domain: str
    own: bool
    addresses: tuple[str, ...]
    spf: SpfStatus
    spf_reason: str
    spf_aligned: bool
    dkim_aligned: bool
    dmarc: DmarcStatus
    policy: Policy
    policy_domain: str
    unproven: Policy

    @property
    def aligned(self) -> bool:
        """Whether SPF itself proves the domain in From."""
        return self.spf is SpfStatus.PASS and self.spf_aligned

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be put right, most urgent first."""
        found = []
        if not (self.aligned or self.dkim_aligned):
            found.append(f"Nothing proves {self.from_domain}: mail from it fails DMARC.")
        if self.spf is not SpfStatus.PASS:
            found.append(f"SPF does not pass for {self.return_domain}: {self.spf_reason}.")
        elif not self.spf_aligned:
            found.append(
                f"Bounces return to {self.return_domain}, which is not aligned with {self.from_domain}: DMARC rests on DKIM alone. "
                "A bounce domain of your own mends that."
            )
        if self.dmarc is DmarcStatus.NONE:
            found.append(f"{self.from_domain} has no DMARC policy; large receivers ask for one.")
        return tuple(found)


async def run(settings: Settings, domain: SendingDomain, bounce_domain: str | None, resolver: Resolver) -> SelfTest:
    """Look now. Bring a fresh resolver: its cache would remember what was there a minute ago."""
    lookups = ResolverLookups(resolver)
    return_domain = bounce_domain or settings.bounce_domain
    addresses = await sending_addresses(settings, resolver)
    sender = await _spf(addresses, return_domain, settings.server.hostname, lookups)
    keys = await _signatures(domain, resolver)
    proven, alone, nothing = await asyncio.gather(
        dmarc.evaluate(domain.name, sender, keys, lookups),
        dmarc.evaluate(domain.name, sender, (), lookups),
        dmarc.evaluate(domain.name, None, (), lookups),
    )
    return _told(domain, return_domain, bounce_domain is not None, addresses, sender, proven, alone, nothing)


async def sending_addresses(settings: Settings, resolver: Resolver) -> tuple[str, ...]:
    """Where our mail comes from: what the settings name, else what the DNS says of our own name."""
    named = sorted({source.split()[0] for pool in Pool for source in settings.pool(pool).sources})
    return tuple(named) if named else (await resolver.addresses(settings.server.hostname)).records


async def _spf(addresses: Sequence[str], return_domain: str, helo: str, lookups: ResolverLookups) -> SpfResult:
    """The worst result of all our addresses: a receiver may meet any of them."""
    if not addresses:
        return SpfResult(SpfStatus.NONE, return_domain, f"no address is known that {helo} sends from")
    results = await asyncio.gather(
        *(spf.check_host(address, f"x@{return_domain}", helo, lookups) for address in addresses)
    )
    return min(results, key=lambda result: _WORST_FIRST.index(result.status))


async def _signatures(domain: SendingDomain, resolver: Resolver) -> tuple[DkimResult, ...]:
    """A signature by each key that is in use; it holds while the DNS publishes the key."""
    signing = [key for key in domain.keys if not key.retired_at and not key.replacing]
    checks = await asyncio.gather(*(_published(domain.name, key, resolver) for key in signing))
    return tuple(
        DkimResult(DkimStatus.PASS, domain=domain.name, selector=key.selector, algorithm=key.algorithm)
        for key, published in zip(signing, checks, strict=True)
        if published
    )


async def _published(domain: str, key: PublishedKey, resolver: Resolver) -> bool:
    record = dkim_record(domain, key)
    return judge(record, await resolver.txt(record.name)).passed


def _told(
    domain: SendingDomain, return_domain: str, own: bool, addresses: tuple[str, ...],
    sender: SpfResult, proven: DmarcVerdict, alone: DmarcVerdict, nothing: DmarcVerdict,
) -> SelfTest:  # fmt: skip
    return SelfTest(
        from_domain=domain.name,
        return_domain=return_domain,
        own=own,
        addresses=addresses,
        spf=sender.status,
        spf_reason=sender.reason,
        spf_aligned=alone.spf_aligned,
        dkim_aligned=proven.dkim_aligned,
        dmarc=proven.status,
        policy=proven.policy,
        policy_domain=proven.record_domain,
        unproven=nothing.disposition,
    )
