"""Mass mail on the lane of single messages: how it is recognised and what is done about it. Pure; minutes are handed in.

Mail is of a mass when the same text goes to many different people within minutes, or one message names very many at once. The text
is known by a fingerprint that ignores how MIME parts are divided. It need not withstand anybody: who wants two texts to look different
writes different texts.
"""

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Final

from posthouse.model.errors import FieldProblem
from posthouse.model.limits import (
    MASS_RECIPIENTS,
    MASS_RECIPIENTS_OF_ONE,
    MASS_TEXT_OCTETS,
    MASS_TEXTS,
    MASS_WINDOW_MINUTES,
    PRIORITY_LOWEST,
)
from posthouse.model.mail import Refused, Submission, Submitter
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass, MassPolicy, Pool, Source

CODE: Final = "mass_mail"
BEHIND: Final = f"It looks like mass mail, so its priority is {PRIORITY_LOWEST}: single messages go first."
_BOUNDARY: Final = re.compile(rb'oundary\s*=\s*"?([^"\r\n;]{1,70})', re.IGNORECASE)  # RFC 2046 5.1.1
_MOST_BOUNDARIES: Final = 20
_HEADER_END: Final = b"\r\n\r\n"

Text = tuple[int, int]
"""A workspace's number and the fingerprint of a body."""


class Action(StrEnum):
    """What is done with one mail of a mass. FLAG: with no priority of its own it goes behind. ALLOW: its sender gave a reason."""

    FLAG = "flag"
    HOLD = "hold"
    REFUSE = "refuse"
    ALLOW = "allow"


def action_for(submitter: Submitter, submission: Submission, policy: MassPolicy) -> Action:
    """What the rules say about mail that is of a mass."""
    if submission.mass_reason:
        return Action.ALLOW
    # The lab's mail reaches nobody, and a person who writes by hand is told on the page.
    if submitter.any_domain or submission.source is Source.MANUAL:
        return Action.FLAG
    return Action(policy)


def is_exempt(submission: Submission, mail_class: MailClass) -> bool:
    """Whether mail may go to many at once: that is what marketing and notifications are for."""
    wanted_by_many = mail_class is MailClass.MARKETING or submission.pool is Pool.NOTIFICATION
    return wanted_by_many or submission.source is Source.NOTICE


def too_many_at_once(submission: Submission) -> bool:
    """Whether one message alone is mass mail."""
    return len(submission.recipients) > MASS_RECIPIENTS_OF_ONE


def explain(at_once: bool) -> str:
    """Why a mail is of a mass, as the beginning of a sentence."""
    if at_once:
        return f"one message names more than {MASS_RECIPIENTS_OF_ONE} recipients"
    return f"the same text went to more than {MASS_RECIPIENTS} recipients within {MASS_WINDOW_MINUTES} minutes"


def held(why: str) -> str:
    """Why a mail is held, for everybody who asks where it is."""
    return f"{why}: mass mail does not leave among single messages unless somebody releases it."


def flagged(why: str) -> str:
    """What is noted on a mail that is let through."""
    return f"This looks like mass mail: {why}."


def allowed(why: str, reason: str) -> str:
    """What is noted on a mail whose sender insisted."""
    return f"This is mass mail, as {why}; its sender said why: {reason}"


def refusal(why: str) -> Refused:
    """The answer under the policy `refuse`; a later try may be taken, so it is temporary."""
    detail = (
        f"This is mass mail, as {why}. Send it as marketing or as a notification, or say in mass_reason why it is not."
    )
    return Refused((FieldProblem("", CODE, detail),), status=429)


def fingerprint(content: bytes) -> int:
    """A number of 63 bits that mails with the same body share: a checksum of its beginning and its length.

    Delimiters between MIME parts are made up anew for each mail, and left out of it.
    """
    start = content.find(_HEADER_END) + len(_HEADER_END)
    body = content[start : start + MASS_TEXT_OCTETS]
    octets = len(content) - start
    if found := _boundaries(content[:start]):
        for boundary in found | _boundaries(body):
            without = body.replace(boundary, b"")
            octets -= len(body) - len(without)
            body = without
    return zlib.crc32(body) << 31 | (octets & 0x7FFFFFFF)


def _boundaries(text: bytes) -> set[bytes]:
    # Finding a literal is a tenth of what searching for the pattern costs, and most text has none.
    found: set[bytes] = set()
    at = text.find(b"oundary")
    while at >= 0 and len(found) < _MOST_BOUNDARIES:
        if match := _BOUNDARY.match(text, at):
            found.add(match[1])
        at = text.find(b"oundary", at + 1)
    return found


def number_of(address: str) -> int:
    """A recipient as a number, the same in every process."""
    return zlib.crc32(address.encode())


@dataclass(slots=True)
class Mailing:
    """A text that went to more than one: the last minute each recipient got it in, oldest first, and what was not shared yet."""

    seen: dict[int, int]
    fresh: dict[int, int] = field(default_factory=dict)
    pruned_at: int = 0
    told_at: int | None = None  # the minute in which the mass was last reported

    @property
    def is_mass(self) -> bool:
        """Whether the last window had more recipients than single messages have."""
        return len(self.seen) > MASS_RECIPIENTS

    def add(self, recipient: int, minute: int) -> None:
        """One more mail of it; nothing new is remembered beyond what proves the mass."""
        self.forget_before(minute)
        if self.seen.pop(recipient, None) is None and not self.is_mass:
            self.fresh[recipient] = minute
        self.seen[recipient] = minute
        if len(self.seen) > MASS_RECIPIENTS + 1:
            del self.seen[next(iter(self.seen))]

    def forget_before(self, minute: int) -> None:
        """Let go of what is older than the window that ends now."""
        if minute != self.pruned_at:
            self.pruned_at = minute
            self.seen = {who: at for who, at in self.seen.items() if at > minute - MASS_WINDOW_MINUTES}


class Sightings:
    """Which text went to whom lately, of one process. Memory is bounded: of texts seen once only the latest MASS_TEXTS are known."""

    def __init__(self) -> None:
        # Two generations: what is not seen again while the young one fills is forgotten with the old.
        self._young: dict[Text, int | Mailing] = {}
        self._old: dict[Text, int | Mailing] = {}
        self._unshared: dict[Text, Mailing] = {}

    def note(self, text: Text, recipients: Iterable[str], minute: int) -> Mailing | None:
        """One mail with this text; the mailing it belongs to if others got it too."""
        known = self._take(text)
        for address in recipients:
            known = self._with(known, number_of(address), minute)
        self._keep(text, known)
        return known if isinstance(known, Mailing) else None

    def unshared(self) -> dict[Text, dict[int, int]]:
        """What other processes do not know yet: recipient -> minute, by text. It is theirs from here on."""
        taken = {text: mailing.fresh for text, mailing in self._unshared.items() if mailing.fresh}
        for mailing in self._unshared.values():
            mailing.fresh = {}
        self._unshared.clear()
        return taken

    def has_unshared(self, at_least: int = 1) -> bool:
        """Whether some text has so many recipients other processes have not heard of."""
        return any(len(mailing.fresh) >= at_least for mailing in self._unshared.values())

    def learn(self, text: Text, seen: Sequence[tuple[int, int]], minute: int) -> None:
        """What processes have told each other about a text: (recipient, minute)."""
        known = self._take(text)
        mailing = known if isinstance(known, Mailing) else Mailing(_first(known))
        for recipient, at in sorted(seen, key=lambda one: one[1])[-(MASS_RECIPIENTS + 1) :]:
            if at > mailing.seen.get(recipient, 0):
                mailing.seen.pop(recipient, None)
                mailing.seen[recipient] = at
        mailing.pruned_at = 0
        mailing.forget_before(minute)
        self._keep(text, mailing)

    def _with(self, known: int | Mailing | None, recipient: int, minute: int) -> int | Mailing:
        if known is None:
            return minute << 32 | recipient
        if isinstance(known, int):
            if known & 0xFFFFFFFF == recipient:
                return minute << 32 | recipient
            known = Mailing(_first(known), fresh=_first(known))
        known.add(recipient, minute)
        return known

    def _take(self, text: Text) -> int | Mailing | None:
        known = self._young.get(text)
        return self._old.get(text) if known is None else known

    def _keep(self, text: Text, known: int | Mailing | None) -> None:
        if known is None:
            return
        self._young[text] = known
        if isinstance(known, Mailing) and known.fresh:
            self._unshared[text] = known
        if len(self._young) >= MASS_TEXTS:
            self._old, self._young = self._young, {}


def _first(known: int | None) -> dict[int, int]:
    """The one recipient of a text seen once, unpacked."""
    return {} if known is None else {known & 0xFFFFFFFF: known >> 32}
