"""What a session with a host must be: the receiver's own demands first, then the mail's, then ours. Pure.

DANE goes before an enforced MTA-STS policy (RFC 8461 2), that before what our settings say. What is demanded is tried once and a
failure delays the mail; where nobody demands anything, TLS that breaks is followed by a session in the clear, on a new connection.
"""

from enum import StrEnum
from typing import Final

from posthouse.delivery.courier import Plan, SitePolicy, Target, TlsPolicy
from posthouse.model.values import dataclass
from posthouse.wire.tlsrpt import PolicyType, ResultType


class Proof(StrEnum):
    """What has to prove the receiver's name in the handshake, as it is told to people."""

    NONE = "nothing"
    DANE = "DANE"
    STS = "MTA-STS"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Try:
    """One way to open a session."""

    tls: TlsPolicy
    proof: Proof = Proof.NONE


@dataclass(frozen=True, slots=True)
class Demand:
    """The ways to open a session in order; the next one only after TLS failed in the one before.

    `policy` says for reports whose demand it is, `flaw` what was wrong with it before anybody was dialled.
    """

    policy: PolicyType
    tries: tuple[Try, ...]
    flaw: ResultType | None = None

    @property
    def may_go_plain(self) -> bool:
        """Whether a session in the clear is the last resort."""
        return len(self.tries) > 1 and self.tries[-1].tls is TlsPolicy.OFF


_PROVEN_BY: Final = {proof: (Try(TlsPolicy.REQUIRED, proof),) for proof in Proof}
_USUAL: Final = {
    TlsPolicy.OPPORTUNISTIC: (Try(TlsPolicy.OPPORTUNISTIC), Try(TlsPolicy.OFF)),
    TlsPolicy.REQUIRED: (Try(TlsPolicy.REQUIRED),),
    TlsPolicy.OFF: (Try(TlsPolicy.OFF),),
}


def demand(plan: Plan, target: Target, policy: SitePolicy) -> Demand:
    """How to open a session with one target of the plan."""
    if plan.credentials is not None:  # a password is for the right host only
        return Demand(PolicyType.NONE, _PROVEN_BY[Proof.CERTIFICATE])
    if target.tlsa is not None and target.tlsa.records:
        return Demand(PolicyType.TLSA, _PROVEN_BY[Proof.DANE])
    if plan.sts is not None and plan.sts.enforced:
        return Demand(PolicyType.STS, _PROVEN_BY[Proof.STS])
    usual = _PROVEN_BY[Proof.CERTIFICATE] if policy.verified else _USUAL[policy.tls]
    if target.tlsa is not None:  # only records nobody can use: RFC 7672 2.2
        tries = usual if policy.verified else _USUAL[TlsPolicy.REQUIRED]
        return Demand(PolicyType.TLSA, tries, ResultType.TLSA_INVALID)
    if plan.sts is not None and plan.sts.announced and usual[0].tls is not TlsPolicy.OFF:
        return _tested(plan, target, usual)
    return Demand(PolicyType.NONE, usual)


def _tested(plan: Plan, target: Target, usual: tuple[Try, ...]) -> Demand:
    """Under a policy in testing: what would have failed is counted, and mail goes as if there were none (RFC 8461 5)."""
    assert plan.sts is not None
    if not plan.sts.covers(target.host):
        return Demand(PolicyType.STS, usual, ResultType.VALIDATION_FAILURE)
    if usual[0].proof is not Proof.NONE:
        return Demand(PolicyType.STS, usual)
    return Demand(PolicyType.STS, (Try(usual[0].tls, Proof.STS), *usual))


def explained(plan: Plan, target: Target, policy: SitePolicy) -> str:
    """The same in a sentence, with the rule that decides."""
    chosen = demand(plan, target, policy).tries[0]
    if chosen.proof is Proof.DANE:
        return "The certificate must be the one its TLSA records mean (DANE)."
    if chosen.proof is Proof.STS and plan.sts is not None and plan.sts.enforced:
        return f"The certificate must be valid for {target.host}: the domain's MTA-STS policy is enforced."
    if chosen.proof is Proof.CERTIFICATE:
        return f"The certificate must be valid for {target.host}."
    if target.tlsa is not None:
        return "Encrypted without proof: none of its TLSA records can be used (RFC 7672 2.2)."
    return _usually(plan, target, chosen)


def _usually(plan: Plan, target: Target, chosen: Try) -> str:
    said = {
        TlsPolicy.OPPORTUNISTIC: "Encrypted where offered, without proof.",
        TlsPolicy.REQUIRED: "Encrypted without proof, never in the clear.",
        TlsPolicy.OFF: "In the clear.",
    }[chosen.tls]
    if plan.sts is None or not plan.sts.announced:
        return said
    covered = "would cover it" if plan.sts.covers(target.host) else "does not name it"
    return f"{said} The domain's MTA-STS policy {covered}, but is only in testing."
