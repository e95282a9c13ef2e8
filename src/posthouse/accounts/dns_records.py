"""What a domain publishes so that mail may be sent from it, and how what is published is judged. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from posthouse.model.dns import Answer, DnsStatus
from posthouse.model.words import MailClass, Pool

_STRING_OCTETS: Final = 255  # RFC 1035 3.3: one character-string of a TXT record


class Purpose(StrEnum):
    """What a record is for."""

    OWNERSHIP = "ownership"
    DKIM = "dkim"
    SPF = "spf"
    DMARC = "dmarc"


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The public half of a DKIM key: `value` is the TXT record at `<selector>._domainkey.<domain>`."""

    selector: str
    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """A domain of a workspace. It may be sent from once `verified_at` is set; `checks` are those of the last verification.

    `mail_classes` is what it is for, empty for everything: what becomes of other mail is the workspace's policy.
    """

    workspace_id: UUID
    domain_id: UUID
    name: str  # lower-case A-label
    ownership_token: str
    verified_at: datetime | None
    checked_at: datetime | None
    checks: tuple["Check", ...]
    created_at: datetime
    keys: tuple[PublishedKey, ...] = ()
    mail_classes: frozenset[MailClass] = frozenset()


PoolsOf = Callable[[str], tuple[Pool, ...]]
"""The pools that have a selector for themselves (`selectors.Selectors.pools_of`)."""


def _of_nobody(selector: str) -> tuple[Pool, ...]:
    del selector
    return ()


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish. `required`: the domain is not verified without it (of the DKIM keys, one is enough)."""

    purpose: Purpose
    name: str
    type: str
    value: str
    why: str
    required: bool
    pools: tuple[Pool, ...] = ()  # that alone sign with this DKIM key

    @property
    def zone_line(self) -> str:
        """For a zone file: the name with its final dot, the value cut into strings of at most 255 octets (RFC 1035 5.1)."""
        pieces = [self.value[at : at + _STRING_OCTETS] for at in range(0, len(self.value), _STRING_OCTETS)]
        return f"{self.name}. 3600 IN {self.type} " + " ".join(f'"{piece}"' for piece in pieces)


@dataclass(frozen=True, slots=True)
class Check:
    """What the DNS said about one record. `answered` False: it could not be found out, `passed` is what was seen before."""

    purpose: Purpose
    name: str
    type: str
    expected: str
    found: tuple[str, ...]
    passed: bool
    answered: bool
    detail: str


def records_for(
    domain: SendingDomain, hostname: str, bounce_domain: str, pools_of: PoolsOf = _of_nobody
) -> tuple[DnsRecord, ...]:
    """Everything to publish for a domain, in the order a person should do it. SPF is for the domain of return paths."""
    name = domain.name
    why = f"Shows that {name} is yours; nobody else can send from it here."
    ownership = DnsRecord(Purpose.OWNERSHIP, f"_posthouse.{name}", "TXT", domain.ownership_token, why, required=True)
    why = f"Lets every server accept {bounce_domain}, where bounces return to, from this one. It serves all domains at once."
    spf = DnsRecord(Purpose.SPF, bounce_domain, "TXT", f"v=spf1 a:{hostname} -all", why, required=False)
    why = "Tells receivers what to do with mail that fails the checks; begin with none, and tighten it when reports look right."
    dmarc = DnsRecord(Purpose.DMARC, f"_dmarc.{name}", "TXT", "v=DMARC1; p=none", why, required=False)
    return (ownership, *(dkim_record(name, key, pools_of(key.selector)) for key in domain.keys), spf, dmarc)


def dkim_record(domain: str, key: PublishedKey, pools: tuple[Pool, ...] = ()) -> DnsRecord:
    """Where and what to publish for a DKIM key that these pools have for themselves, or all use."""
    kind = "RSA, which every receiver reads" if key.algorithm.startswith("rsa") else "Ed25519, short and modern"
    whose = f"your mail in the pool {' and '.join(pools)}" if pools else "your mail"
    why = f"Lets receivers check the signature on {whose}: {kind}."
    place = f"{key.selector}._domainkey.{domain}"
    # Without a pool's own key its mail is signed with the common ones: worth publishing, but nothing fails without it.
    return DnsRecord(Purpose.DKIM, place, "TXT", key.value, why, required=not pools, pools=pools)


def judge(record: DnsRecord, answer: Answer[str]) -> Check:
    """Compare a record with what was found under its name."""
    relevant = _relevant(record.purpose, answer.records)
    passed = _PASSES[record.purpose](record.value, relevant)
    return Check(
        record.purpose, record.name, record.type, record.value, relevant or answer.records,
        passed, answer.is_final, _detail(record, answer, relevant, passed=passed),
    )  # fmt: skip


def remembered(checks: Sequence[Check], before: Sequence[Check]) -> tuple[Check, ...]:
    """The checks, where what could not be found out this time counts as it did last time."""
    passed = {(check.name, check.expected) for check in before if check.passed}
    return tuple(
        replace(check, passed=True) if not check.answered and (check.name, check.expected) in passed else check
        for check in checks
    )


def verified_at(checks: Sequence[Check], before: datetime | None, now: datetime) -> datetime | None:
    """Since when the domain is verified: ownership and one DKIM key seen. None when it is not."""
    seen = {check.purpose for check in checks if check.passed}
    return (before or now) if {Purpose.OWNERSHIP, Purpose.DKIM} <= seen else None


def seen_selectors(checks: Sequence[Check]) -> frozenset[str]:
    """The DKIM keys that receivers can find; a signature with another one would only count against the mail."""
    return frozenset(check.name.partition("._domainkey.")[0] for check in checks if _is_seen_key(check))


def parents(domain: str, most: int) -> tuple[str, ...]:
    """The domains above, nearest first, down to two labels: where a DMARC policy may stand that covers this one too."""
    labels = domain.split(".")
    return tuple(".".join(labels[at:]) for at in range(1, len(labels) - 1))[-most:]


def _is_seen_key(check: Check) -> bool:
    return check.purpose is Purpose.DKIM and check.passed


def _relevant(purpose: Purpose, found: Sequence[str]) -> tuple[str, ...]:
    prefix = {Purpose.SPF: "v=spf1", Purpose.DMARC: "v=dmarc1"}.get(purpose, "")
    return tuple(text for text in found if text.strip().lower().startswith(prefix))


def _same_text(expected: str, found: Sequence[str]) -> bool:
    return any(text.strip().strip('"') == expected for text in found)


def _same_key(expected: str, found: Sequence[str]) -> bool:
    # RFC 6376 3.6.2.2: the answer to several records is undefined, so a second key under the name breaks the first.
    return len(found) == 1 and _key_material(found[0]) == _key_material(expected)


def _key_material(text: str) -> tuple[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    tags = {name.strip(): "".join(value.split()) for name, _, value in pairs}
    return tags.get("k", "rsa"), tags.get("p", "")


def _permits(expected: str, found: Sequence[str]) -> bool:
    # RFC 7208 4.5: two SPF records are an error. The record may say more than we ask for.
    wanted = [term for term in expected.split()[1:] if not term.endswith("all")]
    return len(found) == 1 and set(wanted) <= set(found[0].lower().split())


def _is_policy(expected: str, found: Sequence[str]) -> bool:
    # Any one policy will do: what it asks for is the owner's business (RFC 9989: several are none).
    del expected
    return len(found) == 1 and "p=" in found[0].replace(" ", "").lower()


_PASSES: Final = {
    Purpose.OWNERSHIP: _same_text,
    Purpose.DKIM: _same_key,
    Purpose.SPF: _permits,
    Purpose.DMARC: _is_policy,
}


def _detail(record: DnsRecord, answer: Answer[str], relevant: tuple[str, ...], *, passed: bool) -> str:
    if passed:
        return "Published as it should be."
    if not answer.is_final:
        return f"The DNS did not answer for {record.name}: {answer.detail or answer.status}. Try again in a minute."
    if answer.status is DnsStatus.NXDOMAIN or not relevant:
        return f"There is no such record at {record.name} yet. New records take minutes to an hour to be seen."
    if len(relevant) > 1 and record.purpose is not Purpose.OWNERSHIP:
        return f"There are {len(relevant)} such records at {record.name}; receivers accept only one."
    if record.purpose is Purpose.SPF:
        return f"There is an SPF record, and it does not name this server; add {record.value.split()[1]} to it."
    return f"There is another value at {record.name}."
