"""What is wrong with a DNS record as it was found, and how to mend it. Pure.

A lint is given the value we ask for and the texts found that are of its kind; None says that all is well. A remark may also be
advice about a record that does its work (`passes`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from posthouse.model import limits
from posthouse.wire import mta_sts, spf_record, tags
from posthouse.wire.dmarc import Policy
from posthouse.wire.spf_record import SpfRecord, SpfSyntaxError

_CAUSES_LOOKUP: Final = frozenset({"include", "a", "mx", "ptr", "exists"})
_REPORT_SCHEMES: Final = ("mailto:", "https:")


def N_(sentence: str) -> str:  # noqa: N802 - as gettext calls it
    """Marks a sentence for the pages' catalogue."""
    return sentence


class Fault(StrEnum):
    """What can be wrong with a record."""

    NO_ANSWER = "no_answer"
    MISSING = "missing"
    LOST = "lost"
    SEVERAL = "several"
    DIFFERENT = "different"
    KEY_REVOKED = "key_revoked"
    ALIAS_ELSEWHERE = "alias_elsewhere"
    SPF_UNREADABLE = "spf_unreadable"
    SPF_WITHOUT_US = "spf_without_us"
    SPF_TOO_MANY_LOOKUPS = "spf_too_many_lookups"
    SPF_ALLOWS_ALL = "spf_allows_all"
    DMARC_UNREADABLE = "dmarc_unreadable"
    DMARC_INHERITED = "dmarc_inherited"
    DMARC_REPORTS_ELSEWHERE = "dmarc_reports_elsewhere"
    STS_UNREADABLE = "sts_unreadable"
    TLS_UNREADABLE = "tls_unreadable"
    TLS_REPORTS_ELSEWHERE = "tls_reports_elsewhere"
    LOGO_UNREADABLE = "logo_unreadable"
    LOGO_ADDRESS = "logo_address"
    LOGO_WITHOUT_POLICY = "logo_without_policy"


SENTENCES: Final[Mapping[Fault, str]] = {
    Fault.NO_ANSWER: N_("The DNS did not answer for {name}: {value}. Try again in a minute."),
    Fault.MISSING: N_("There is no such record at {name} yet. New records take minutes to an hour to be seen."),
    Fault.LOST: N_("There was a record at {name}, and it is gone. Publish it again."),
    Fault.SEVERAL: N_("There are {value} such records at {name}; receivers accept only one. Remove the others."),
    Fault.DIFFERENT: N_("There is another value at {name}."),
    Fault.KEY_REVOKED: N_("The key at {name} is withdrawn: its p= is empty."),
    Fault.ALIAS_ELSEWHERE: N_("The CNAME at {name} leads to {value}."),
    Fault.SPF_UNREADABLE: N_("The SPF record at {name} cannot be read: {value}."),
    Fault.SPF_WITHOUT_US: N_("There is an SPF record, and it does not name this server; add {value} to it."),
    Fault.SPF_TOO_MANY_LOOKUPS: N_("The SPF record causes {value} DNS lookups; receivers give up after 10."),
    Fault.SPF_ALLOWS_ALL: N_("The SPF record allows every server in the world; end it with -all, not with {value}."),
    Fault.DMARC_UNREADABLE: N_(
        "A DMARC record begins with v=DMARC1; and says p=none, p=quarantine or p=reject. This one does not, so it counts for nothing."
    ),
    Fault.DMARC_INHERITED: N_("Covered by the policy of {value}."),
    Fault.DMARC_REPORTS_ELSEWHERE: N_("Receivers do not report to this server. Add rua=mailto:{value} to the record."),
    Fault.STS_UNREADABLE: N_("An MTA-STS record says v=STSv1; id= and at most 32 letters and digits."),
    Fault.TLS_UNREADABLE: N_("A TLS reporting record says v=TLSRPTv1; rua= and a mailto: or https: address."),
    Fault.TLS_REPORTS_ELSEWHERE: N_(
        "Other servers do not report to this one. Add mailto:{value} to rua, after a comma."
    ),
    Fault.LOGO_UNREADABLE: N_("A BIMI record says v=BIMI1; l= and the address of a logo."),
    Fault.LOGO_ADDRESS: N_("{value} is no address of a logo: it begins with https:// and ends with .svg."),
    Fault.LOGO_WITHOUT_POLICY: N_(
        "Logos are only shown where DMARC asks for quarantine or reject, of subdomains too. The policy here is {value}."
    ),
}


@dataclass(frozen=True, slots=True)
class Remark:
    """What is the matter, with what its sentence names. `passes`: advice only, the record does its work."""

    fault: Fault
    values: Mapping[str, str] = field(default_factory=dict)
    passes: bool = False

    def sentence(self, name: str) -> str:
        """In English."""
        return SENTENCES[self.fault].format(**{"name": name, **self.values})


Lint = Callable[[str, Sequence[str]], Remark | None]


def text(expected: str, found: Sequence[str]) -> Remark | None:
    """A value that is ours alone; others may stand beside it."""
    seen = any(each.strip().strip('"') == expected for each in found)
    return None if seen else _different(found)


def key(expected: str, found: Sequence[str]) -> Remark | None:
    """A DKIM key. RFC 6376 3.6.2.2: the answer to several records is undefined, so a second key breaks the first."""
    if wrong := _not_one(found):
        return wrong
    if _key_material(found[0]) == _key_material(expected):
        return None
    return Remark(Fault.DIFFERENT if _key_material(found[0])[1] else Fault.KEY_REVOKED)


def spf(expected: str, found: Sequence[str]) -> Remark | None:
    """An SPF record that allows this server (RFC 7208 4.5: two are an error). It may say more than we ask for."""
    found = _of_kind(found, "v=spf1")
    if wrong := _not_one(found):
        return wrong
    try:
        record = spf_record.parse(found[0].strip())
    except SpfSyntaxError as error:
        return Remark(Fault.SPF_UNREADABLE, {"value": str(error)})
    if not set(_mechanisms(expected)) <= set(found[0].lower().split()):
        return Remark(Fault.SPF_WITHOUT_US, {"value": " ".join(_mechanisms(expected))})
    if (lookups := _lookups(record)) > limits.SPF_LOOKUPS:
        return Remark(Fault.SPF_TOO_MANY_LOOKUPS, {"value": str(lookups)})
    if any(term.mechanism == "all" and term.qualifier == "+" for term in record.terms):
        return Remark(Fault.SPF_ALLOWS_ALL, {"value": "+all"}, passes=True)
    return None


def dmarc(expected: str, found: Sequence[str]) -> Remark | None:
    """A DMARC policy: which one is the owner's business (RFC 9989: several are none)."""
    found = _of_kind(found, "v=dmarc1")
    if wrong := _not_one(found):
        return wrong
    record = tags.parse(found[0])
    if not record or next(iter(record.items())) != ("v", "DMARC1") or record.get("p", "").lower() not in set(Policy):
        return Remark(Fault.DMARC_UNREADABLE)
    return _reports(expected, record, Fault.DMARC_REPORTS_ELSEWHERE)


def sts(expected: str, found: Sequence[str]) -> Remark | None:
    """The announcement of an MTA-STS policy (RFC 8461 3.1), whatever its id."""
    del expected
    found = _of_kind(found, "v=stsv1")
    if wrong := _not_one(found):
        return wrong
    return None if mta_sts.record_id(found) else Remark(Fault.STS_UNREADABLE)


def tls_reports(expected: str, found: Sequence[str]) -> Remark | None:
    """Where reports of TLS sessions go (RFC 8460 3)."""
    found = _of_kind(found, "v=tlsrptv1")
    if wrong := _not_one(found):
        return wrong
    record = tags.parse(found[0])
    if not record or record.get("v") != "TLSRPTv1" or not _addresses(record.get("rua", "")):
        return Remark(Fault.TLS_UNREADABLE)
    return _reports(expected, record, Fault.TLS_REPORTS_ELSEWHERE)


def permission(expected: str, found: Sequence[str]) -> Remark | None:
    """That reports about another domain are wanted here (RFC 9990 4)."""
    del expected
    found = _of_kind(found, "v=dmarc1")
    return None if found else Remark(Fault.MISSING)


def logo(expected: str, found: Sequence[str]) -> Remark | None:
    """A BIMI assertion: v first, l an https address of an SVG, or empty for a domain that declines to have one."""
    del expected
    found = _of_kind(found, "v=bimi1")
    if wrong := _not_one(found):
        return wrong
    record = tags.parse(found[0])
    if not record or next(iter(record.items())) != ("v", "BIMI1") or "l" not in record:
        return Remark(Fault.LOGO_UNREADABLE)
    address = record["l"]
    if address and not _is_https(address, ".svg"):
        return Remark(Fault.LOGO_ADDRESS, {"value": address})
    return None


def logo_policy(policy: Policy | None, subdomains: Policy | None) -> Remark | None:
    """Whether the DMARC policy in force lets a logo be shown."""
    weak = [each for each in (policy, subdomains) if each in {None, Policy.NONE}]
    return Remark(Fault.LOGO_WITHOUT_POLICY, {"value": str(weak[0] or Policy.NONE)}) if weak else None


def _of_kind(found: Sequence[str], prefix: str) -> tuple[str, ...]:
    return tuple(each for each in found if each.strip().lower().startswith(prefix))


def _not_one(found: Sequence[str]) -> Remark | None:
    if not found:
        return Remark(Fault.MISSING)
    return Remark(Fault.SEVERAL, {"value": str(len(found))}) if len(found) > 1 else None


def _different(found: Sequence[str]) -> Remark:
    return Remark(Fault.DIFFERENT if found else Fault.MISSING)


def _key_material(record: str) -> tuple[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    named = {name.strip(): "".join(value.split()) for name, _, value in pairs}
    return named.get("k", "rsa"), named.get("p", "")


def _mechanisms(record: str) -> list[str]:
    return [term for term in record.split()[1:] if not term.endswith("all")]


def _lookups(record: SpfRecord) -> int:
    return sum(term.mechanism in _CAUSES_LOOKUP for term in record.terms) + bool(record.redirect)


def _reports(expected: str, record: Mapping[str, str], fault: Fault) -> Remark | None:
    """Advice when the reports do not come to the address we ask for."""
    ours = _addresses((tags.parse(expected) or {}).get("rua", ""))
    theirs = _addresses(record.get("rua", ""))
    if not ours or set(ours) <= set(theirs):
        return None
    return Remark(fault, {"value": ours[0].removeprefix("mailto:")}, passes=True)


def _addresses(rua: str) -> list[str]:
    """The report addresses, in lower case, without the size limits some put behind them (RFC 7489 6.2)."""
    each = (address.strip().partition("!")[0].lower() for address in rua.split(","))
    return [address for address in each if address.startswith(_REPORT_SCHEMES)]


def _is_https(address: str, ending: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and parts.path.lower().endswith(ending)
