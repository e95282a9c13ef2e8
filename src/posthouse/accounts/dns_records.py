"""What a domain publishes so that mail may be sent from it, and how what is published is judged. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from posthouse.accounts import record_lint
from posthouse.accounts.record_lint import Fault, Lint, Remark
from posthouse.model.dns import Answer
from posthouse.model.words import DomainPolicy, MailClass, Pool

_STRING_OCTETS: Final = 255  # RFC 1035 3.3: one character-string of a TXT record


class Purpose(StrEnum):
    """What a record is for."""

    OWNERSHIP = "ownership"
    DKIM = "dkim"
    SPF = "spf"
    RETURN_PATH = "return_path"
    LINKS = "links"
    DMARC = "dmarc"
    REPORT_PERMISSION = "report_permission"
    TLS_REPORTS = "tls_reports"
    MTA_STS = "mta_sts"
    BIMI = "bimi"


class Need(StrEnum):
    """What a record is worth. Without a REQUIRED one a domain is not verified (of the DKIM keys, one is enough)."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"
    OPTIONAL = "optional"


class Incomplete(StrEnum):
    """The worst that is missing of a verified domain."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """The public half of a DKIM key: `value` is the TXT record at `<selector>._domainkey.<domain>`.

    `replacing`: it takes over once the DNS was seen to publish it. `retired_at`: since when it signs no more.
    """

    selector: str
    algorithm: str
    value: str
    created_at: datetime | None = None
    replacing: bool = False
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """A domain of a workspace. It may be sent from once `verified_at` is set; `checks` are those of the last verification.

    `mail_classes` is what it is for, empty for everything: what becomes of other mail is the workspace's policy. `incomplete` is
    what a verified domain lacks, `bounce_domain` the workspace's own that aligns with it and `link_host` its own, usable or not.
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
    incomplete: Incomplete | None = None
    workspace_number: int = 0
    bounce_domain: str | None = None
    link_host: str | None = None

    def is_refused(self, policy: DomainPolicy) -> bool:
        """Whether the workspace's policy keeps mail from it out while its records are not complete."""
        if self.incomplete is Incomplete.REQUIRED:
            return policy is not DomainPolicy.WARN
        return self.incomplete is Incomplete.RECOMMENDED and policy is DomainPolicy.STRICT


@dataclass(frozen=True, slots=True)
class Installation:
    """The names of this installation that stand in records.

    `report_address` is where receivers may report to, `link_target` what link hosts are an alias of; "" for nowhere.
    """

    hostname: str
    bounce_domain: str
    return_target: str
    report_address: str = ""
    link_target: str = ""


PoolsOf = Callable[[str], tuple[Pool, ...]]
"""The pools that have a selector for themselves (`selectors.Selectors.pools_of`)."""


def _of_nobody(selector: str) -> tuple[Pool, ...]:
    del selector
    return ()


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish. `pools` are those that alone sign with a DKIM key."""

    purpose: Purpose
    name: str
    type: str
    value: str
    why: str
    need: Need
    pools: tuple[Pool, ...] = ()

    @property
    def required(self) -> bool:
        """Whether the domain is not verified without it."""
        return self.need is Need.REQUIRED

    @property
    def zone_line(self) -> str:
        """For a zone file: the name with its final dot, a text cut into strings of at most 255 octets (RFC 1035 5.1)."""
        if self.type == "CNAME":
            return f"{self.name}. 3600 IN CNAME {self.value}."
        pieces = [self.value[at : at + _STRING_OCTETS] for at in range(0, len(self.value), _STRING_OCTETS)]
        return f"{self.name}. 3600 IN {self.type} " + " ".join(f'"{piece}"' for piece in pieces)


@dataclass(frozen=True, slots=True)
class Check:
    """What the DNS said about one record. `answered` False: it could not be found out, `passed` is what was seen before.

    `fault` and `values` are `detail` for the pages; a check that passed may have them too, as advice. `lost`: it was there once.
    """

    purpose: Purpose
    name: str
    type: str
    expected: str
    found: tuple[str, ...]
    passed: bool
    answered: bool
    detail: str
    need: Need = Need.REQUIRED
    fault: Fault | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


def records_for(domain: SendingDomain, here: Installation, pools_of: PoolsOf = _of_nobody) -> tuple[DnsRecord, ...]:
    """Everything to publish for a domain, in the order a person should do it. SPF is for the domain of return paths."""
    name = domain.name
    why = f"Shows that {name} is yours; nobody else can send from it here."
    ownership = DnsRecord(Purpose.OWNERSHIP, f"_posthouse.{name}", "TXT", domain.ownership_token, why, Need.REQUIRED)
    keys = (dkim_record(name, key, pools_of(key.selector)) for key in domain.keys)
    return (ownership, *keys, *_proofs(domain, here), *_extras(domain, here))


def dkim_record(domain: str, key: PublishedKey, pools: tuple[Pool, ...] = ()) -> DnsRecord:
    """Where and what to publish for a DKIM key that these pools have for themselves, or all use."""
    kind = "RSA, which every receiver reads" if key.algorithm.startswith("rsa") else "Ed25519, short and modern"
    whose = f"your mail in the pool {' and '.join(pools)}" if pools else "your mail"
    why = f"Lets receivers check the signature on {whose}: {kind}."
    if key.replacing:
        why = f"A new key, which takes over once it is published. {why}"
    if key.retired_at:
        why = f"A former key, kept for mail that is still on its way. {why}"
    place = f"{key.selector}._domainkey.{domain}"
    return DnsRecord(Purpose.DKIM, place, "TXT", key.value, why, _need_of_key(key, pools), pools=pools)


def dmarc_value(report_address: str) -> str:
    """The policy to begin with."""
    return f"v=DMARC1; p=none; rua=mailto:{report_address}" if report_address else "v=DMARC1; p=none"


def tls_reports_value(report_address: str) -> str:
    """Where reports of TLS sessions shall go."""
    return f"v=TLSRPTv1; rua=mailto:{report_address}"


def report_permission(domain: str, bounce_domain: str) -> tuple[str, str] | None:
    """Name and value of the record that another domain takes reports about this one (RFC 9990 4); None where none is needed."""
    if bounce_domain == domain or bounce_domain.endswith(f".{domain}"):
        return None
    return f"{domain}._report._dmarc.{bounce_domain}", "v=DMARC1;"


def judge(record: DnsRecord, answer: Answer[str]) -> Check:
    """Compare a record with what was found under its name."""
    if not answer.is_final:
        remark: Remark | None = Remark(Fault.NO_ANSWER, {"value": answer.detail or str(answer.status)})
    else:
        remark = _LINTS[record.purpose](record.value, answer.records)
    return outcome(record, _relevant(record.purpose, answer.records), remark, answered=answer.is_final)


def outcome(record: DnsRecord, found: tuple[str, ...], remark: Remark | None, *, answered: bool = True) -> Check:
    """The check of a record about which this is to be said."""
    return Check(
        purpose=record.purpose,
        name=record.name,
        type=record.type,
        expected=record.value,
        found=found,
        passed=remark is None or remark.passes,
        answered=answered,
        detail=remark.sentence(record.name) if remark else "Published as it should be.",
        need=record.need,
        fault=remark.fault if remark else None,
        values=dict(remark.values) if remark else {},
    )


def remembered(checks: Sequence[Check], before: Sequence[Check]) -> tuple[Check, ...]:
    """The checks with what is known from before: what could not be found out counts as it did, what is gone is lost."""
    known = {(check.name, check.expected): check for check in before}
    return tuple(_remembered(check, known.get((check.name, check.expected))) for check in checks)


def is_proven(checks: Sequence[Check], keys: Sequence[PublishedKey]) -> bool:
    """Whether ownership and a DKIM key that is not retired were seen."""
    seen = {check.purpose for check in checks if check.passed}
    return Purpose.OWNERSHIP in seen and bool(signing_selectors(checks, keys))


def shortfall(checks: Sequence[Check], keys: Sequence[PublishedKey]) -> Incomplete | None:
    """The worst that is missing."""
    if not is_proven(checks, keys):
        return Incomplete.REQUIRED
    seen = {check.purpose for check in checks if check.passed}
    return None if {Purpose.SPF, Purpose.DMARC} <= seen else Incomplete.RECOMMENDED


def signing_selectors(checks: Sequence[Check], keys: Sequence[PublishedKey]) -> frozenset[str]:
    """The keys that receivers can find and that are not retired."""
    return seen_selectors(checks) & {key.selector for key in keys if key.retired_at is None}


def seen_selectors(checks: Sequence[Check]) -> frozenset[str]:
    """The DKIM keys that receivers can find; a signature with another one would only count against the mail."""
    return frozenset(check.name.partition("._domainkey.")[0] for check in checks if _is_seen_key(check))


def _proofs(domain: SendingDomain, here: Installation) -> tuple[DnsRecord, ...]:
    """What lets SPF and DMARC hold."""
    name, need = domain.name, Need.RECOMMENDED
    why = f"Lets every server accept {here.bounce_domain}, where bounces return to, from this one. It serves all domains at once."
    spf = DnsRecord(Purpose.SPF, here.bounce_domain, "TXT", f"v=spf1 a:{here.hostname} -all", why, need)
    why = (
        f"Lets bounces return to a name in {name}, so that SPF proves your domain too. Then add it as a bounce domain."
    )
    own = domain.bounce_domain or f"bounces.{name}"
    back = DnsRecord(Purpose.RETURN_PATH, own, "CNAME", here.return_target, why, need)
    why = "Tells receivers what to do with mail that fails the checks; begin with none, and tighten it when reports look right."
    dmarc = DnsRecord(Purpose.DMARC, f"_dmarc.{name}", "TXT", dmarc_value(here.report_address), why, need)
    return (spf, back, dmarc)


def link_host_for(domain: SendingDomain) -> str:
    """The link host of a domain, or the one that is suggested."""
    return domain.link_host or f"links.{domain.name}"


def _extras(domain: SendingDomain, here: Installation) -> tuple[DnsRecord, ...]:
    """What is worth having and nothing of ours depends on."""
    name, need, found = domain.name, Need.OPTIONAL, []
    if here.link_target and (own := link_host_for(domain)) != here.link_target:
        why = f"Lets the links in your mail lead to a name in {name}, not to this server's. Then choose it as the link host."
        found.append(DnsRecord(Purpose.LINKS, own, "CNAME", here.link_target, why, need))
    if here.report_address and (permission := report_permission(name, here.bounce_domain)):
        why = f"Says that this server takes reports about {name}. It belongs where the DNS of this server is kept."
        found.append(DnsRecord(Purpose.REPORT_PERMISSION, permission[0], "TXT", permission[1], why, need))
    if here.report_address:
        why, value = (
            f"Has other servers report how their sessions with those of {name} were encrypted.",
            tls_reports_value,
        )
        found.append(DnsRecord(Purpose.TLS_REPORTS, f"_smtp._tls.{name}", "TXT", value(here.report_address), why, need))
    why = f"Announces a policy at https://mta-sts.{name}/.well-known/mta-sts.txt: mail to {name} is then only sent encrypted."
    found.append(DnsRecord(Purpose.MTA_STS, f"_mta-sts.{name}", "TXT", "v=STSv1; id=1", why, need))
    why = "Names a logo that some receivers show beside your mail; DMARC has to ask for quarantine or reject first."
    value_of_logo = f"v=BIMI1; l=https://{name}/logo.svg"
    found.append(DnsRecord(Purpose.BIMI, f"default._bimi.{name}", "TXT", value_of_logo, why, need))
    return tuple(found)


def _need_of_key(key: PublishedKey, pools: tuple[Pool, ...]) -> Need:
    if key.retired_at:
        return Need.OPTIONAL
    # Without a pool's own key its mail is signed with the common ones: worth publishing, but nothing fails without it.
    return Need.RECOMMENDED if pools or key.replacing else Need.REQUIRED


def _remembered(check: Check, before: Check | None) -> Check:
    if before is None or (check.passed and check.answered):
        return check
    if not check.answered:
        return replace(check, passed=before.passed, lost=before.lost)
    lost = before.passed or before.lost
    if lost and check.fault is Fault.MISSING:
        remark = Remark(Fault.LOST)
        return replace(check, lost=True, fault=remark.fault, detail=remark.sentence(check.name))
    return replace(check, lost=lost)


def _relevant(purpose: Purpose, found: Sequence[str]) -> tuple[str, ...]:
    """The texts a person should look at: those of the kind, or all where there are none."""
    prefix = {Purpose.SPF: "v=spf1", Purpose.DMARC: "v=dmarc1"}.get(purpose, "")
    return tuple(text for text in found if text.strip().lower().startswith(prefix)) or tuple(found)


def _is_seen_key(check: Check) -> bool:
    return check.purpose is Purpose.DKIM and check.passed


_LINTS: Final[Mapping[Purpose, Lint]] = {
    Purpose.OWNERSHIP: record_lint.text,
    Purpose.DKIM: record_lint.key,
    Purpose.SPF: record_lint.spf,
    Purpose.RETURN_PATH: record_lint.text,
    Purpose.LINKS: record_lint.text,
    Purpose.DMARC: record_lint.dmarc,
    Purpose.REPORT_PERMISSION: record_lint.permission,
    Purpose.TLS_REPORTS: record_lint.tls_reports,
    Purpose.MTA_STS: record_lint.sts,
    Purpose.BIMI: record_lint.logo,
}
