"""What a mail that came back means for the one recipient its signed return path names. Pure.

The return path tells which mail it is about; its own words tell what happened. A bounce that came after the receiver's 250 is the
better truth: `failed` turns delivered into bounced. Whether the address is at fault says the classifier.
"""

from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.classify import Verdict
from posthouse.ledger.explain import Affected, Explained
from posthouse.ledger.kind import Kind
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind

_NOTHING_SAID = Affected("", Verdict(BounceClass.UNKNOWN, "unexplained", "nothing said"))


@dataclass(frozen=True, slots=True)
class Reading:
    """What to record: the event, what it says of the address, the sentence a person reads, and what was said."""

    kind: EventKind
    verdict: Verdict
    reason: str
    remote: str
    said: str = ""

    @property
    def hard(self) -> bool:
        """Whether the address is never to be written to again."""
        return self.kind is EventKind.LATE_BOUNCE and self.verdict.bounce_class is BounceClass.HARD


def reading(explained: Explained, address: str) -> Reading | None:
    """The part that is about `address`; None when nothing in it is worth recording (relayed, expanded, an absence note)."""
    part = _about(explained, address)
    words = " ".join(part.diagnosis.split()) or part.verdict.enhanced or "no reason given"
    remote = part.remote or explained.reporter
    if explained.kind is Kind.BOUNCE and part.action != "delayed":
        return Reading(EventKind.LATE_BOUNCE, part.verdict, f"Returned after delivery: {words}", remote, words)
    if explained.kind in {Kind.BOUNCE, Kind.DELAY}:
        return Reading(
            EventKind.DELAYED, part.verdict, f"Delayed at {remote or 'the receiver'}: {words}", remote, words
        )
    return None


def _about(explained: Explained, address: str) -> Affected:
    """The part naming the address. Forwarding changes addresses, and the return path is unique to one recipient, so a mail that
    names somebody else is about ours all the same."""
    wanted = address.casefold()
    named = (part for part in explained.recipients if wanted in (part.address.casefold(), part.original.casefold()))
    return next(named, next(iter(explained.recipients), _NOTHING_SAID))
