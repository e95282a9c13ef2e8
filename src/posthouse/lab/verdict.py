"""What a careful receiver makes of a mail: DKIM (RFC 6376), SPF (RFC 7208) and DMARC (RFC 7489), in words."""

from dataclasses import dataclass
from datetime import datetime

from posthouse.lab.mailbox import Received
from posthouse.wire import dkim_verify, dmarc, headers, spf
from posthouse.wire.lookups import Lookups


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `result` is its standard word (`pass`, `fail`, `none`, ...), `sentence` what that means for this mail."""

    check: str
    result: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of one mail; `passed` when DMARC does, which is what large receivers go by."""

    passed: bool
    findings: tuple[Finding, ...]


async def judge(received: Received, lookups: Lookups, now: datetime) -> Verdict:
    """Check one mail as it was received; a mail without a usable From fails DMARC."""
    signatures = await dkim_verify.verify(received.content, lookups, now)
    sender = await spf.check_host(received.peer, received.mail_from, received.helo, lookups)
    authors = headers.authors(received.header)
    findings = [*map(_of_signature, signatures), _of_spf(sender)] if signatures else [_unsigned(), _of_spf(sender)]
    if len(authors) != 1:
        return Verdict(False, (*findings, Finding("DMARC", "permerror", "From must name exactly one author.")))
    policy = await dmarc.evaluate(authors[0].domain, sender, signatures, lookups)
    return Verdict(policy.status == "pass", (*findings, _of_dmarc(authors[0].domain, policy)))


def _of_signature(signature: dkim_verify.DkimResult) -> Finding:
    who = f"{signature.selector}._domainkey.{signature.domain} ({signature.algorithm})"
    if signature.status == "pass":
        return Finding("DKIM", "pass", f"The signature by {who} holds: nothing it covers was changed.")
    return Finding("DKIM", str(signature.status), f"The signature by {who} does not hold: {signature.reason}.")


def _unsigned() -> Finding:
    return Finding("DKIM", "none", "The mail is not signed.")


def _of_spf(sender: spf.SpfResult) -> Finding:
    if sender.status == "pass":
        return Finding("SPF", "pass", f"{sender.domain} lets this server send its mail.")
    return Finding(
        "SPF", str(sender.status), f"{sender.domain or 'The sender'} does not vouch for it: {sender.reason}."
    )


def _of_dmarc(domain: str, policy: dmarc.DmarcVerdict) -> Finding:
    aligned = [name for name, holds in (("DKIM", policy.dkim_aligned), ("SPF", policy.spf_aligned)) if holds]
    if policy.status == "pass":
        return Finding("DMARC", "pass", f"{' and '.join(aligned)} speaks for {domain}, the domain in From.")
    return Finding("DMARC", str(policy.status), f"Nothing speaks for {domain}, the domain in From: {policy.reason}.")
