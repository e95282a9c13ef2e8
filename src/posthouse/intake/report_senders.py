"""Who sent a report that came by mail: the domain in From, where SPF or DKIM proves one aligned with it (RFC 9989), and nobody else.

The address for reports stands in the DNS, so anybody can write to it. `ask` puts the questions, `judge` (pure) draws the conclusion:
what was proven, or the reply that tells a person at the other end what is missing. Whether it is the domain that the report claims to
be from, only a reader can tell, who is shown both.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from posthouse.intake.answers import No
from posthouse.model.limits import REPORT_FINDING_CHARS, REPORT_FINDINGS_TOLD, REPORT_SENDER_S
from posthouse.wire import dkim_verify, dmarc, headers, spf
from posthouse.wire.dkim_verify import DkimResult, DkimStatus
from posthouse.wire.lookups import Lookups
from posthouse.wire.smtp_server_events import MessageReceived
from posthouse.wire.spf import SpfResult, SpfStatus

Result: TypeAlias = SpfResult | DkimResult


class Method(StrEnum):
    """What can prove a domain."""

    DKIM = "DKIM"
    SPF = "SPF"


@dataclass(frozen=True, slots=True)
class Proof:
    """A domain that vouches for a mail; `only_tls`: by a key that it publishes for reports about TLS alone (RFC 8460 3)."""

    domain: str
    method: Method
    only_tls: bool = False

    def __str__(self) -> str:
        return f"{self.domain} by {self.method}"


@dataclass(frozen=True, slots=True)
class Vouched:
    """What is proven, DKIM first. `later` is what to say where these proofs do not cover a report and another may still come."""

    proofs: tuple[Proof, ...] = ()
    later: No | None = None


Sender: TypeAlias = Vouched | No


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks of one mail found. `aligned` has every domain that passed or might have; None where nobody answered."""

    author: str
    peer: str
    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    aligned: Mapping[str, bool | None]


NO_AUTHOR: Final = No(
    550, "5.7.26", "A report has to name exactly one author in From, whose domain SPF or DKIM can prove"
)
TOOK_TOO_LONG: Final = No(451, "4.7.0", "The DNS took too long to prove who sends this report, please try again")
_TLS_OR_MAIL: Final = dkim_verify.MAIL | dkim_verify.TLS_REPORTS
_SPF_LATER, _DKIM_LATER, _LATER = "4.7.24", "4.7.5", "4.7.0"  # RFC 7372 3.2; RFC 6376 6.3; of several, or alignment


async def ask(mail: MessageReceived, peer: str, helo: str, lookups: Lookups, now: datetime) -> Sender:
    """Check one mail as port 25 sees it. All look-ups together have 20 seconds (RFC 7208 4.6.4), and are bounded in number."""
    authors = headers.authors(headers.split(mail.data)[0])
    if len(authors) != 1 or "." not in authors[0].domain:
        return NO_AUTHOR
    claims = await asyncio.to_thread(dkim_verify.claims, mail.data, now)
    try:
        async with asyncio.timeout(REPORT_SENDER_S):
            sender, signatures = await asyncio.gather(
                spf.check_host(peer, mail.mail_from, helo, lookups),
                asyncio.gather(*(dkim_verify.judge(claim, lookups, _TLS_OR_MAIL) for claim in claims)),
            )
            results: list[Result] = [sender, *signatures]
            asked = [each.domain for each in results if _may_prove(each)]
            aligned = await dmarc.alignments(authors[0].domain, asked, lookups)
    except TimeoutError:
        return TOOK_TOO_LONG
    return judge(Evidence(authors[0].domain, peer, sender, tuple(signatures), aligned))


def judge(evidence: Evidence) -> Sender:
    """One aligned pass is enough; a check that may still pass later is a reason to wait."""
    signed = [_of_signature(each) for each in evidence.dkim if _is_aligned(evidence, each) and _passes(each)]
    proofs = list(dict.fromkeys(signed))
    if _is_aligned(evidence, evidence.spf) and _passes(evidence.spf):
        proofs.append(Proof(evidence.spf.domain, Method.SPF))
    later = _later(evidence)
    if proofs:
        return Vouched(tuple(proofs), later)
    if later:
        return later
    said = (
        f"Reports count only where SPF or DKIM proves a domain aligned with From, {evidence.author}: {_told(evidence)}"
    )
    return No(550, "5.7.26", said)


def covering(proofs: Sequence[Proof], *, tls: bool) -> Proof | None:
    """The proof that a report may rest on: one about TLS has to be signed, whoever else may send for the domain (RFC 8460 3)."""
    return next((each for each in proofs if (each.method is Method.DKIM if tls else not each.only_tls)), None)


def _passes(result: Result) -> bool:
    return result.status == "pass" and not (isinstance(result, DkimResult) and result.partial)


def _may_prove(result: Result) -> bool:
    """Whether it matters if the domain is aligned. A signature that leaves room for more of the body vouches for no report."""
    return _passes(result) or result.status == "temperror"


def _is_aligned(evidence: Evidence, result: Result) -> bool:
    return bool(evidence.aligned.get(result.domain))


def _of_signature(result: DkimResult) -> Proof:
    return Proof(result.domain, Method.DKIM, only_tls=not result.services & dkim_verify.MAIL)


def _later(evidence: Evidence) -> No | None:
    """The reason to come again where something may come out otherwise when the DNS answers."""
    found = set()
    results: list[Result] = [evidence.spf, *evidence.dkim]
    for result in results:
        aligned = evidence.aligned.get(result.domain)
        if result.status == "temperror" and aligned is not False:
            found.add(_SPF_LATER if isinstance(result, SpfResult) else _DKIM_LATER)
        elif _passes(result) and aligned is None:
            found.add(_LATER)
    if not found:
        return None
    said = (
        f"The DNS does not say for the moment who may send for {evidence.author}, please try again: {_told(evidence)}"
    )
    return No(451, found.pop() if len(found) == 1 else _LATER, said)


class _Finding(NamedTuple):
    aligned: bool
    told: str


def _told(evidence: Evidence) -> str:
    """What was checked, in words: SPF, and the signatures nearest to passing."""
    signatures = sorted((_signature(evidence, each) for each in evidence.dkim), reverse=True)
    told = [_sender(evidence), *(each.told for each in signatures[:REPORT_FINDINGS_TOLD])]
    if not signatures:
        told.append("there is no DKIM signature")
    return "; ".join(each[:REPORT_FINDING_CHARS] for each in told)


def _sender(evidence: Evidence) -> str:
    result = evidence.spf
    if result.status is SpfStatus.PASS:
        return f"SPF passes for {result.domain}, {_unaligned(evidence, result)}"
    return f"SPF of {result.domain or 'the sender'} says {result.status} for {evidence.peer} ({result.reason})"


def _signature(evidence: Evidence, result: DkimResult) -> _Finding:
    aligned = bool(evidence.aligned.get(result.domain, result.domain == evidence.author))
    who = f"DKIM of {result.domain or 'nobody'}"
    if result.status is not DkimStatus.PASS:
        return _Finding(aligned, f"{who} says {result.status} ({result.reason})")
    if result.partial:
        return _Finding(aligned, f"{who} leaves part of the body unsigned (l=)")
    return _Finding(aligned, f"{who} passes, {_unaligned(evidence, result)}")


def _unaligned(evidence: Evidence, result: Result) -> str:
    return "which is not aligned" if evidence.aligned.get(result.domain) is False else "whose alignment is unknown"
