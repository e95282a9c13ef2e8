"""DMARC (RFC 9989): does what SPF and DKIM proved belong to the domain in From, and what does that domain ask for if not.

Policies and organizational domains are found by the DNS tree walk; there is no public suffix list any more.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from posthouse.model.limits import DMARC_LABELS
from posthouse.model.values import dataclass
from posthouse.wire import tags
from posthouse.wire.dkim_verify import DkimResult, DkimStatus
from posthouse.wire.lookups import Found, Lookups, TextLookups
from posthouse.wire.spf import SpfResult, SpfStatus


class Policy(StrEnum):
    """What a domain asks receivers to do with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class DmarcStatus(StrEnum):
    """Results as RFC 8601 names them."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NONE = "none"  # no policy is published
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


# One step milder, for domains that are only testing (t=y).
_MILDER: Final = {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE, Policy.NONE: Policy.NONE}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One published policy with its defaults filled in."""

    policy: Policy
    subdomain_policy: Policy
    missing_domain_policy: Policy  # for names that do not exist (np=)
    strict_dkim: bool
    strict_spf: bool
    testing: bool
    is_public_suffix: bool | None  # psd=y, psd=n, or not said
    report_to: str = ""  # rua=


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """The result; `disposition` is what the domain asks for this very message."""

    status: DmarcStatus
    disposition: Policy = Policy.NONE
    policy: Policy = Policy.NONE
    spf_aligned: bool = False
    dkim_aligned: bool = False
    record_domain: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy that holds for a domain, and the domain that publishes it."""

    published_at: str
    record: DmarcRecord
    policy: Policy


@dataclass(frozen=True, slots=True)
class _Walk:
    """What a tree walk found, from the name itself upwards."""

    start: str
    records: tuple[tuple[str, DmarcRecord], ...]
    failed: bool

    @property
    def organization(self) -> str:
        """The organizational domain (RFC 9989, tree walk): marked by psd=n, below psd=y, else the highest with a record."""
        for domain, record in self.records:
            if record.is_public_suffix is False:
                return domain
            if record.is_public_suffix and domain != self.start:
                return ".".join(self.start.split(".")[-domain.count(".") - 2 :])
        return self.records[-1][0] if self.records else self.start


def parse_record(text: str) -> DmarcRecord | None:
    """A TXT value as a policy; None when it is something else or unusable."""
    named = tags.parse(text)
    if not named or next(iter(named.items())) != ("v", "DMARC1"):
        return None
    # A record without a usable policy still counts as p=none, so that one typing error does not switch DMARC off.
    policy = _policy(named.get("p"), Policy.NONE)
    subdomain = _policy(named.get("sp"), policy)
    return DmarcRecord(
        policy=policy,
        subdomain_policy=subdomain,
        missing_domain_policy=_policy(named.get("np"), subdomain),
        strict_dkim=named.get("adkim", "r").lower() == "s",
        strict_spf=named.get("aspf", "r").lower() == "s",
        testing=named.get("t", "n").lower() == "y",
        is_public_suffix={"y": True, "n": False}.get(named.get("psd", "u").lower()),
        report_to=named.get("rua", ""),
    )


async def evaluate(
    from_domain: str, spf: SpfResult | None, dkim: Sequence[DkimResult], lookups: Lookups
) -> DmarcVerdict:
    """Judge one message by its author domain (lower-case A-label) and the results of the two checks. Never raises."""
    walk = await _tree_walk(from_domain, lookups)
    if walk.failed:
        return DmarcVerdict(DmarcStatus.TEMPERROR, reason="the policy could not be looked up")
    if not walk.records:
        return DmarcVerdict(DmarcStatus.NONE, reason="no policy is published")
    domain, record = _applicable(walk)
    proven = [result.domain for result in dkim if result.status is DkimStatus.PASS]
    dkim_aligned = await _any_aligned(walk, proven, record.strict_dkim, lookups)
    spf_passed = spf is not None and spf.status is SpfStatus.PASS
    spf_aligned = spf_passed and await _any_aligned(walk, [spf.domain] if spf else [], record.strict_spf, lookups)
    policy = await _policy_for(from_domain, domain, record, lookups)
    if dkim_aligned or spf_aligned:
        return DmarcVerdict(DmarcStatus.PASS, Policy.NONE, policy, spf_aligned, dkim_aligned, domain)
    return DmarcVerdict(
        DmarcStatus.FAIL,
        disposition=_MILDER[policy] if record.testing else policy,
        policy=policy,
        record_domain=domain,
        reason=f"neither SPF nor DKIM proves a domain aligned with {from_domain}",
    )


async def in_force(domain: str, lookups: TextLookups) -> InForce | None:
    """The policy for mail of a domain that exists, wherever the tree walk finds it; None when there is none or nobody answers."""
    walk = await _tree_walk(domain, lookups)
    if not walk.records:
        return None
    at, record = _applicable(walk)
    return InForce(at, record, record.policy if at == domain else record.subdomain_policy)


def names_to_ask(domain: str) -> list[str]:
    """The names of a tree walk: the domain, then its parents; of a long name only the last seven labels and up."""
    labels = domain.split(".")
    first_parent = max(1, len(labels) - DMARC_LABELS + 1)
    return [domain, *(".".join(labels[start:]) for start in range(first_parent, len(labels)))]


async def alignments(author: str, domains: Iterable[str], lookups: TextLookups) -> dict[str, bool | None]:
    """Whether each domain is aligned with the author's, relaxed (RFC 9989 4.10.2); None: ask again. All lower-case A-labels."""
    others = [domain for domain in dict.fromkeys(domains) if domain != author]
    found: dict[str, bool | None] = {author: True}
    if others:
        walk = await _tree_walk(author, lookups)
        for domain in others:
            found[domain] = await _shares_organization(domain, walk, lookups)
    return found


async def organizational_domain(domain: str, lookups: Lookups) -> str | None:
    """The name that speaks for a lower-case A-label and all its relatives: itself where nothing is published. None: ask again."""
    walk = await _tree_walk(domain, lookups)
    return None if walk.failed else walk.organization


async def _tree_walk(domain: str, lookups: TextLookups) -> _Walk:
    records: list[tuple[str, DmarcRecord]] = []
    for name in names_to_ask(domain):
        answer = await lookups.txt(f"_dmarc.{name}")
        if answer.found is Found.FAILED:
            return _Walk(domain, (), failed=True)
        usable = [record for text in answer.values if (record := parse_record(text)) is not None]
        if len(usable) == 1:
            records.append((name, usable[0]))
            decided = usable[0].is_public_suffix
            if decided is False or (decided and name != domain):
                break
    return _Walk(domain, tuple(records), failed=False)


def _applicable(walk: _Walk) -> tuple[str, DmarcRecord]:
    """The record of the author domain itself, else of its organizational domain, else of the public suffix above."""
    by_name = dict(walk.records)
    for name in (walk.start, walk.organization):
        if name in by_name:
            return name, by_name[name]
    return walk.records[-1]


async def _policy_for(from_domain: str, domain: str, record: DmarcRecord, lookups: Lookups) -> Policy:
    if domain == from_domain:
        return record.policy
    if record.missing_domain_policy is not record.subdomain_policy:
        answer = await lookups.a(from_domain)
        if answer.found is Found.NO_NAME:
            return record.missing_domain_policy
    return record.subdomain_policy


async def _any_aligned(author: _Walk, proven: Sequence[str], strict: bool, lookups: Lookups) -> bool:
    for domain in dict.fromkeys(proven):
        if domain == author.start:
            return True
        if not strict and await _shares_organization(domain, author, lookups):
            return True
    return False


async def _shares_organization(domain: str, author: _Walk, lookups: TextLookups) -> bool | None:
    if author.failed:
        return None
    if not _may_share_organization(domain, author.organization):
        return False
    walk = await _tree_walk(domain, lookups)
    return None if walk.failed else walk.organization == author.organization


def _may_share_organization(domain: str, organization: str) -> bool:
    # A domain outside the author's organization cannot be walked into it: no need to ask.
    return domain == organization or domain.endswith(f".{organization}")


def _policy(value: str | None, default: Policy) -> Policy:
    try:
        return Policy((value or "").lower())
    except ValueError:
        return default
