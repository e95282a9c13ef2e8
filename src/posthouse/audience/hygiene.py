"""Is a list of addresses fit to be written to? Each address judged, and what to do about the list. Pure but for reading its words.

Nobody is written to and no receiver is asked about a mailbox: what can be known without that is known from the spelling, from the DNS,
and from what earlier mail taught us.
"""

import csv
import io
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

from posthouse.model.limits import LIST_ADDRESSES
from posthouse.wire.addresses import AddressProblem, parse_address

_HEADINGS: Final = frozenset(
    {
        "email",
        "e-mail",
        "mail",
        "address",
        "email address",
        "e-mail address",
        "emailaddress",
        "adresse",
        "epost",
        "e-post",
    }
)
_SNIFFED_CHARS: Final = 8_192
_DANGEROUS_SHARE: Final = 0.05  # NUM-11: at this share of bounces senders are reviewed elsewhere, and paused here


class DomainState(StrEnum):
    """What the DNS says of a domain as a place for mail."""

    MAIL = "mail"
    DEAD = "dead"
    TAKES_NO_MAIL = "takes_no_mail"
    UNKNOWN = "unknown"  # the DNS did not answer


class Finding(StrEnum):
    """What is the matter with an address, the gravest first."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    BOUNCED = "bounced"
    OPTED_OUT = "opted_out"
    DEAD_DOMAIN = "dead_domain"
    TAKES_NO_MAIL = "takes_no_mail"
    TYPO = "typo"
    DISPOSABLE = "disposable"
    ROLE = "role"
    UNKNOWN_DOMAIN = "unknown_domain"


class Advice(StrEnum):
    """What to do about an address."""

    REMOVE = "remove"
    CORRECT = "correct"
    REVIEW = "review"
    KEEP = "keep"


_ADVICE: Final = {
    Finding.INVALID: Advice.REMOVE,
    Finding.DUPLICATE: Advice.REMOVE,
    Finding.BOUNCED: Advice.REMOVE,
    Finding.OPTED_OUT: Advice.REMOVE,
    Finding.DEAD_DOMAIN: Advice.REMOVE,
    Finding.TAKES_NO_MAIL: Advice.REMOVE,
    Finding.TYPO: Advice.CORRECT,
    Finding.DISPOSABLE: Advice.REVIEW,
    Finding.ROLE: Advice.REVIEW,
    Finding.UNKNOWN_DOMAIN: Advice.KEEP,
}

_OF_DOMAIN: Final = frozenset({Finding.DEAD_DOMAIN, Finding.TAKES_NO_MAIL})
_NOT_AS_IT_STANDS: Final = frozenset({Advice.REMOVE, Advice.CORRECT})
_UNREACHABLE: Final = _OF_DOMAIN | {Finding.INVALID, Finding.BOUNCED}


@dataclass(frozen=True, slots=True)
class Entry:
    """One address as it stands in the list, with the line it stands in."""

    line: int
    written: str


@dataclass(frozen=True, slots=True)
class Examined:
    """One address with everything that is the matter with it; `suggestion` is what it probably should be."""

    line: int
    address: str
    findings: tuple[Finding, ...]
    detail: str = ""
    suggestion: str = ""

    @property
    def advice(self) -> Advice:
        """What to do about it: about the gravest finding. A domain that is dead because it is misspelled is corrected."""
        if not self.findings:
            return Advice.KEEP
        gravest = self.findings[0]
        return Advice.CORRECT if gravest in _OF_DOMAIN and Finding.TYPO in self.findings else _ADVICE[gravest]


@dataclass(frozen=True, slots=True)
class Summary:
    """The list as a whole: how many of what, and what to do, in sentences."""

    addresses: int
    findings: Mapping[Finding, int]
    advice: Mapping[Advice, int]
    recommendations: tuple[str, ...]
    unreachable: int  # to be removed because no mail arrives there

    @property
    def is_dangerous(self) -> bool:
        """Whether so many would bounce that the sender's reputation suffers."""
        return self.addresses > 0 and self.unreachable / self.addresses >= _DANGEROUS_SHARE


@dataclass(frozen=True, slots=True)
class Divided:
    """A list's own rows. `header` is the one that names the columns, () without one."""

    header: Sequence[str]
    kept: tuple[Sequence[str], ...]
    rejected: tuple[tuple[Examined, Sequence[str]], ...]


@dataclass(frozen=True, slots=True)
class _Words:
    roles: frozenset[str]
    disposable: frozenset[str]
    popular: tuple[str, ...]


def read(text: str) -> Iterator[Entry]:
    """The addresses of a text: one a line, or a column of a table (the one headed e-mail, else the first with an @). At most LIST_ADDRESSES."""
    rows = _rows(text.removeprefix("\ufeff"))
    column: int | None = None
    found = 0
    for line, row in enumerate(rows, 1):
        if line == 1 and (headed := _headed(row)) is not None:
            column = headed
            continue
        if column is None and (first := _with_at(row)) is not None and len(row) > 1:
            column = first
        written = _cell(row, column).strip()
        if written and found < LIST_ADDRESSES:
            found += 1
            yield Entry(line, written)


def domains(entries: Iterable[Entry]) -> set[str]:
    """The domains to ask the DNS about."""
    parsed = (parse_address(entry.written) for entry in entries)
    return {mailbox.domain for mailbox in parsed if not isinstance(mailbox, AddressProblem)}


def examine(
    entries: Iterable[Entry],
    states: Mapping[str, DomainState],
    bounced: Mapping[str, str],
    opted_out: Mapping[str, str],
) -> Iterator[Examined]:
    """Each address judged. `bounced` and `opted_out` say why, by the address in lower case."""
    seen: dict[str, int] = {}
    for entry in entries:
        mailbox = parse_address(entry.written)
        if isinstance(mailbox, AddressProblem):
            yield Examined(entry.line, entry.written, (Finding.INVALID,), mailbox.detail, _mended(entry.written))
            continue
        folded = mailbox.address.casefold()
        before = seen.setdefault(folded, entry.line)
        if before != entry.line:
            yield Examined(entry.line, mailbox.address, (Finding.DUPLICATE,), f"It stands in line {before} already.")
            continue
        yield _judged(entry.line, mailbox.address, states, bounced.get(folded), opted_out.get(folded))


def summary(examined: Sequence[Examined]) -> Summary:
    """What the list comes to."""
    findings = Counter(finding for each in examined for finding in each.findings)
    advice = Counter(each.advice for each in examined)
    gone = sum(each.advice is Advice.REMOVE and not _UNREACHABLE.isdisjoint(each.findings) for each in examined)
    return Summary(len(examined), findings, advice, tuple(_recommendations(len(examined), findings, gone)), gone)


def split(text: str, examined: Iterable[Examined]) -> Divided:
    """The list as it was handed in, row by row: what may be written to as it stands, and what is to be removed or corrected first."""
    by_line = {each.line: each for each in examined}
    kept: list[Sequence[str]] = []
    rejected: list[tuple[Examined, Sequence[str]]] = []
    header: Sequence[str] = ()
    for line, row in enumerate(_rows(text.removeprefix("\ufeff")), 1):
        judged = by_line.get(line)
        if line == 1 and judged is None and _headed(row) is not None:
            header = row
        elif judged is not None and judged.advice in _NOT_AS_IT_STANDS:
            rejected.append((judged, row))
        elif judged is not None:
            kept.append(row)
    return Divided(header, tuple(kept), tuple(rejected))


def suggestion(domain: str) -> str:
    """The popular domain this one was probably meant to be; empty when it is one itself or is like none."""
    known = _words().popular
    if domain in known or len(domain) < 5:
        return ""
    near = [each for each in known if abs(len(each) - len(domain)) <= 1 and _is_one_slip(domain, each)]
    return near[0] if near else ""


def _judged(
    line: int, address: str, states: Mapping[str, DomainState], bounced: str | None, opted_out: str | None
) -> Examined:
    local, _, domain = address.rpartition("@")
    state, words, meant = states.get(domain, DomainState.UNKNOWN), _words(), suggestion(domain)
    signs = (
        (Finding.BOUNCED, bounced is not None, bounced or ""),
        (Finding.OPTED_OUT, opted_out is not None, opted_out or ""),
        (Finding.DEAD_DOMAIN, state is DomainState.DEAD, f"{domain} does not exist or has no mail server."),
        (Finding.TAKES_NO_MAIL, state is DomainState.TAKES_NO_MAIL, f"{domain} says that it takes no mail."),
        (Finding.TYPO, bool(meant), f"Probably {meant}."),
        (Finding.DISPOSABLE, domain in words.disposable, f"{domain} gives out addresses that are thrown away."),
        (Finding.ROLE, local.casefold() in words.roles, f"{local}@ is an office, not a person."),
        (Finding.UNKNOWN_DOMAIN, state is DomainState.UNKNOWN, f"The DNS did not answer for {domain}."),
    )
    found = [(finding, detail) for finding, is_so, detail in signs if is_so]
    return Examined(
        line,
        address,
        tuple(finding for finding, _ in found),
        " ".join(detail for _, detail in found),
        f"{local}@{meant}" if meant else "",
    )


def _recommendations(addresses: int, findings: Mapping[Finding, int], gone: int) -> Iterator[str]:
    if not addresses:
        yield "There is no address in this list."
        return
    if gone:
        yield f"Remove {_many(gone, 'address', 'addresses')} that cannot receive mail ({gone / addresses:.1%} of the list)."
    if gone / addresses >= _DANGEROUS_SHARE:
        yield "That many bounces at once would harm your reputation: do not send to this list before they are gone, and ask where it came from."
    if opted_out := findings.get(Finding.OPTED_OUT, 0):
        people = _many(opted_out, "person", "people")
        yield f"Remove {people} who asked not to be written to; they would not be sent marketing anyway."
    if duplicates := findings.get(Finding.DUPLICATE, 0):
        yield f"Remove {_many(duplicates, 'duplicate', 'duplicates')}, or people get the same mail twice."
    if typos := findings.get(Finding.TYPO, 0):
        yield f"Correct {_many(typos, 'probable typing error', 'probable typing errors')}; ask the people where you can."
    doubtful = findings.get(Finding.ROLE, 0) + findings.get(Finding.DISPOSABLE, 0)
    if doubtful:
        which = _many(doubtful, "office or throw-away address", "offices and throw-away addresses")
        yield f"Look at {which}: they complain more and answer less. Keep those that signed up themselves."
    if unknown := findings.get(Finding.UNKNOWN_DOMAIN, 0):
        yield f"Check {unknown} again later: the DNS did not answer for their domains."
    if not findings:
        yield "Nothing stands against this list. Begin with those who read your last mails."


def _many(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _mended(written: str) -> str:
    """The same without what most often slips in; empty when that does not help."""
    slim = re.sub(r"[\s<>\"';,]+", "", written).strip(".").replace("..", ".").replace("@@", "@").replace(",", ".")
    mailbox = parse_address(slim)
    return "" if isinstance(mailbox, AddressProblem) else mailbox.address


def _is_one_slip(one: str, other: str) -> bool:
    """Whether one wrong, missing, added or two swapped letters lie between them (optimal string alignment distance 1)."""
    if len(one) > len(other):
        one, other = other, one
    at = next((index for index, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[at + 1 : at + 2] == other[at : at + 1] and one[at : at + 1] == other[at + 1 : at + 2]
    return one[at + 1 :] == other[at + 1 :] or (swapped and one[at + 2 :] == other[at + 2 :])


def _rows(text: str) -> Sequence[Sequence[str]]:
    """The cells; of a text that is no table (a quotation mark that never ends), its lines."""
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text[:_SNIFFED_CHARS])))
    except csv.Error:
        return [[line] for line in text.splitlines()]


def _delimiter(text: str) -> str:
    line = text.partition("\n")[0]
    return max(",;\t", key=line.count)


def _headed(row: Sequence[str]) -> int | None:
    return next((index for index, cell in enumerate(row) if cell.strip().lower() in _HEADINGS), None)


def _with_at(row: Sequence[str]) -> int | None:
    return next((index for index, cell in enumerate(row) if "@" in cell), None)


def _cell(row: Sequence[str], column: int | None) -> str:
    if column is not None:
        return row[column] if column < len(row) else ""
    return row[0] if row else ""


@cache
def _words() -> _Words:
    tables = tomllib.loads(resources.files(__package__).joinpath("hygiene.toml").read_text(encoding="utf-8"))
    return _Words(frozenset(tables["roles"]), frozenset(tables["disposable"]), tuple(tables["popular"]))
