"""What an RFC 3464 report means for the recipient it names. Pure.

The signed return path tells which mail the report is about; the report's own words tell what happened to it. A report that came
after the receiver's 250 is the better truth: `failed` turns delivered into bounced.
"""

from dataclasses import dataclass

from posthouse.ledger.hard import is_hard
from posthouse.model.words import EventKind
from posthouse.wire.dsn import RecipientReport, Report


@dataclass(frozen=True, slots=True)
class Reading:
    """What to record: the event, whether the address is to be suppressed, and the sentence a person reads."""

    kind: EventKind
    hard: bool
    reason: str
    status: str
    remote: str


def reading(report: Report, address: str) -> Reading | None:
    """The part of the report that is about `address`; None when it reports nothing worth recording (relayed, expanded)."""
    if not report.recipients:
        return None
    part = _about(report, address)
    remote = part.remote_mta or report.reporting_mta
    words = part.diagnostic or part.status or "no reason given"
    if part.action == "failed":
        return Reading(
            EventKind.LATE_BOUNCE, is_hard(part.status), f"Returned after delivery: {words}", part.status, remote
        )
    if part.action == "delayed":
        return Reading(EventKind.DELAYED, False, f"Delayed at {remote or 'the receiver'}: {words}", part.status, remote)
    return None


def _about(report: Report, address: str) -> RecipientReport:
    """The block naming the address. Forwarding changes addresses, and the return path is unique to one recipient, so a report
    that names somebody else is about ours all the same."""
    wanted = address.casefold()
    for part in report.recipients:
        if wanted in (part.original_recipient.casefold(), part.final_recipient.casefold()):
            return part
    return report.recipients[0]
