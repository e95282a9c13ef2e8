"""A whole mail that came back: what it is, whom it is about, and what that means for each of them. Pure.

Fields for programs (RFC 3464) are believed first. What they leave out, and mails that have none, are read as people would: whom the
notice names, and what it says about each. Nothing is known here of what was sent: a signed return path, where there is one, is asked
by the caller.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from posthouse.ledger import classify, kind
from posthouse.ledger.bounce_rules import BounceClass, OwnRule
from posthouse.ledger.classify import Verdict
from posthouse.ledger.kind import Kind
from posthouse.model.limits import REPORT_FIELD_CHARS
from posthouse.wire import arf, dsn, headers, notice, notice_addresses, reports
from posthouse.wire.dsn import RecipientReport
from posthouse.wire.headers import Header
from posthouse.wire.notice import Notice
from posthouse.wire.notice_addresses import ADDRESS, About

_REPLY: Final = re.compile(r"(?<![\d.])[45]\d\d[ -].*(?:\n(?![ \t]*\n).*){0,8}")
_LINES: Final = 8  # of what a notice says about one recipient; the rest is about the mail or the system
_SENDERS: Final = frozenset({b"to", b"delivered-to", b"x-original-to", b"envelope-to"})
_ORIGINAL_SENDERS: Final = frozenset({b"from", b"return-path", b"sender", b"reply-to"})
_ORIGINAL_RECIPIENTS: Final = (
    "X-Failed-Recipients",
    "Envelope-To",
    "X-Envelope-To",
    "X-HmXmrOriginalRecipient",
    "Delivered-To",
    "To",
    "Apparently-To",
)
_COUNTED: Final = {
    Kind.BOUNCE: frozenset({"", "failed"}),
    Kind.DELAY: frozenset({"", "delayed"}),
    Kind.SUCCESS: frozenset({"", "delivered", "relayed", "expanded"}),
}
"""Whom a report of this kind is about: of one where some failed, not those who wait or have got it."""


@dataclass(frozen=True, slots=True)
class Affected:
    """One recipient and what is known of the failure; `action` is a word of RFC 3464 or empty.

    `address` is where it failed, `original` whom it was sent to before somebody forwarded it, if that is told.
    """

    address: str
    verdict: Verdict
    action: str = ""
    diagnosis: str = ""
    remote: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a mail is, whom it is about, and which message it says it is about (Message-ID with angle brackets, or empty).

    `reporter` is the host that wrote a report, if it says so; `feedback` the type of a feedback report in lower case.
    """

    kind: Kind
    recipients: tuple[Affected, ...]
    message_id: str = ""
    reporter: str = ""
    feedback: str = ""


def explain(content: bytes, own: tuple[OwnRule, ...] = ()) -> Explained:
    """Read a mail that came back; `own` rules are asked before all others. Never raises."""
    read = notice.read(content)
    found = _explained(read, own)
    wrapped = found.kind is Kind.BOUNCE or (found.kind is Kind.OTHER and not read.text.strip())
    if wrapped and not read.status and _is_report(read.returned):
        inner = _explained(notice.read(read.inside), own)  # a report that somebody on the way put into another message
        return inner if inner.recipients else found
    return found


def unnamed(content: bytes, own: tuple[OwnRule, ...] = (), *, from_nobody: bool) -> Explained:
    """Read a mail that `explain` makes nothing of, and that came to the return path of one mail: it needs to name nobody.

    `from_nobody`: it came with the null sender. Never raises.
    """
    read = notice.read(content)
    found = kind.of_unnamed(read, from_nobody=from_nobody)
    if found not in {Kind.BOUNCE, Kind.DELAY}:
        return Explained(found, ())
    spoken = list(_spoken(read.text))
    verdict = classify.of_words(spoken, "", "", (), own)
    action = "delayed" if found is Kind.DELAY else "failed"
    return Explained(found, (Affected("", verdict, action, next(iter(spoken), "")),))


def _explained(read: Notice, own: tuple[OwnRule, ...]) -> Explained:
    message_id = reports.message_id_of(read.returned)
    if read.feedback:
        complaint = arf.of_feedback(read.feedback, b"")
        found = kind.of_feedback(complaint.feedback_type)
        about = tuple(_complainant(complaint.original_rcpt_to, read)) if found is not Kind.OTHER else ()
        return Explained(found, about, message_id, feedback=complaint.feedback_type or "abuse")
    report = dsn.of_status(read.status, b"") if read.status else None
    if report is not None and report.recipients:
        return _of_report(report.recipients, report.reporting_mta, read, message_id, own)
    return _of_words(read, message_id, own)


def _is_report(header: Header) -> bool:
    return b"multipart/report" in (headers.first(header, "Content-Type") or b"").lower()


def _of_report(
    recipients: tuple[RecipientReport, ...], reporter: str, read: Notice, message_id: str, own: tuple[OwnRule, ...]
) -> Explained:
    told = {about.address.lower(): about.text for about in _about(read)}
    recipients = tuple(_ended(each, told.get(_address_of(each).lower(), "")) for each in recipients)
    found = kind.of_actions({each.action for each in recipients if each.action})
    affected: dict[str, Affected] = {}
    for each in recipients:
        address = _address_of(each)
        if address and each.action in _COUNTED[found]:
            said = [told.get(address.lower(), ""), read.text if len(recipients) == 1 else ""]
            affected.setdefault(address.lower(), _affected(address, each, reporter, said, own))
    if not affected:
        return _of_words(read, message_id, own, found)
    return Explained(found, tuple(affected.values()), message_id, reporter)


def _ended(each: RecipientReport, told: str) -> RecipientReport:
    """OpenSMTPD calls it a delay when it gives up because the time is over."""
    return replace(each, action="failed") if each.action == "delayed" and "Envelope expired" in told else each


def _affected(
    address: str, each: RecipientReport, reporter: str, said: list[str], own: tuple[OwnRule, ...]
) -> Affected:
    hosts = tuple(name.lower() for name in (each.remote_mta, address.rpartition("@")[2], reporter) if name)
    spoken = [text for one in said for text in _spoken(one)]
    # Some systems leave the field out and say it to people only: a reply of a server is as good a diagnosis there.
    without = not each.diagnostic and bool(spoken) and _REPLY.match(spoken[0]) is not None
    texts = spoken if without else [each.diagnostic, *spoken]
    verdict = classify.of_words(texts, "", each.status, hosts, own)
    diagnosis = each.diagnostic or _listed(said[0], address)
    return Affected(address, verdict, each.action, diagnosis, each.remote_mta, each.original_recipient)


def _listed(text: str, address: str) -> str:
    """What stands below an address with a line of its own. Exim tells only people why it failed itself, and has no field for it."""
    first, *below = text.lstrip().split("\n", _LINES + 1)
    if first.strip(" \t<>:").lower() != address.lower():
        return ""
    return "\n".join(takewhile(str.strip, below[:_LINES]))[:REPORT_FIELD_CHARS]


def _of_words(read: Notice, message_id: str, own: tuple[OwnRule, ...], found: Kind | None = None) -> Explained:
    found = found or kind.of_notice(read)
    if found in {Kind.COMPLAINT, Kind.OPT_OUT}:
        return Explained(found, tuple(_complainant("", read)), message_id)
    if found not in {Kind.BOUNCE, Kind.DELAY}:
        return Explained(found, (), message_id)
    action = "delayed" if found is Kind.DELAY else "failed"
    affected = []
    for about in _about(read) or _in_subject(read) or _original_recipients(read):
        texts = [*_spoken(about.text), read.text]
        verdict = classify.of_words(texts, "", "", (about.address.rpartition("@")[2].lower(),), own)
        affected.append(Affected(about.address, verdict, action, next(_spoken(about.text), "")))
    # whoever it is, it does not say whom it could not reach: a person who writes about bounces, mostly
    if not affected:
        return Explained(kind.of_answer(read), (), message_id)
    return Explained(found, tuple(affected), message_id)


def _in_subject(read: Notice) -> list[About]:
    subject = headers.decode(headers.first(read.header, "Subject") or b"")
    ours = _senders(read)
    return [About(found[0], read.text) for found in ADDRESS.finditer(subject) if found[0].lower() not in ours]


def _spoken(text: str) -> Iterator[str]:
    """What was said about a recipient: the reply of a server in it first, then the words around it."""
    if reply := _REPLY.search(text):
        yield reply[0]
    if text.strip():
        yield text


def _about(read: Notice) -> list[About]:
    failed = headers.first(read.header, "X-Failed-Recipients")
    about = notice_addresses.recipients(read.text, _senders(read))
    if failed is None:
        return about
    told = {each.address.lower(): each for each in about}
    named = [found[0] for found in ADDRESS.finditer(headers.decode(failed))]
    return [told.get(address.lower(), About(address, read.text)) for address in dict.fromkeys(named)]


def _senders(read: Notice) -> frozenset[str]:
    """Whom the notice is for: they are named in it, and did not fail."""
    fields = [field for field in read.header if field.name in _SENDERS]
    fields += [field for field in read.returned if field.name in _ORIGINAL_SENDERS]
    return frozenset(
        found[0].lower()
        for field in fields
        if b"@" in field.raw or b"=?" in field.raw
        for found in ADDRESS.finditer(headers.decode(field.value))
    )


def _original_recipients(read: Notice) -> list[About]:
    """Where the notice names nobody: those the returned message was for."""
    for name in _ORIGINAL_RECIPIENTS:
        named = [
            found[0]
            for value in headers.values(read.returned, name)
            for found in ADDRESS.finditer(headers.decode(value))
        ]
        if named:
            return [About(address, read.text) for address in dict.fromkeys(named)]
    return []


def _complainant(named: str, read: Notice) -> Iterator[Affected]:
    addresses = (
        [named] if named and ADDRESS.fullmatch(named) else [about.address for about in _original_recipients(read)]
    )
    verdict = Verdict(BounceClass.BLOCKED, "content", "complaint")
    yield from (Affected(address, verdict) for address in addresses[:1])


def _address_of(each: RecipientReport) -> str:
    """The address a report is about: the one it failed at, unless that is one only the reporter's own host knows."""
    found = [
        address[0] for named in (each.final_recipient, each.original_recipient) if (address := ADDRESS.search(named))
    ]
    public = [address for address in found if "." in address.rpartition("@")[2]]
    return next(iter([*public, *found]), each.final_recipient or each.original_recipient)
