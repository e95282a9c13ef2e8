"""The lab's addresses that misbehave: a table, and the few rules that read it.

The local part chooses (`hard-bounce@anything.example`); what follows a plus sign is a number the behaviour may use
(`greylist+5@`). A local part that is not in the table belongs to a well-behaved mailbox.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BROKEN_TLS_DOMAIN: Final = "broken-tls.lab.test"
"""Mail for this domain is routed to the lab's second port, which offers STARTTLS and then breaks the handshake: a receiver
has to offer it before it knows whom the mail is for, so no address can choose it."""


class Act(StrEnum):
    """What the lab does, and when in the transaction."""

    ACCEPT = "accept"
    REFUSE_RCPT = "refuse the recipient"
    GREYLIST = "refuse the recipient at first"
    REFUSE_DOT = "refuse the message"
    HANG_UP_IN_DATA = "421 in the middle of the message"
    DROP_AFTER_DOT = "close after the dot, once"
    TARPIT = "answer the dot at one octet a second"
    SLOW = "answer the dot late"
    LATE_REPORT = "accept, report failure later"
    COMPLAIN = "accept, complain later"
    AUTO_REPLY = "accept, answer out of office"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row: `name` is the local part, `reply` the SMTP reply it leads to, `shows` what one sees in the product.

    `number` is the default of the number after the plus sign; None where a number means nothing.
    """

    name: str
    act: Act
    reply: tuple[int, str, str]
    shows: str
    number: int | None = None


ACCEPTED: Final = (250, "2.0.0", "Accepted by the lab")

BEHAVIOURS: Final = (
    Behaviour(
        "hard-bounce",
        Act.REFUSE_RCPT,
        (550, "5.1.1", "No such user here"),
        "The mail bounces at once and the address is suppressed.",
    ),
    Behaviour(
        "hard-bounce-data",
        Act.REFUSE_DOT,
        (550, "5.1.1", "No such user here, found out late"),
        "The same bounce, said only after the whole message was sent.",
    ),
    Behaviour(
        "soft-bounce",
        Act.REFUSE_RCPT,
        (452, "4.2.2", "Mailbox full, try again later"),
        "The mail waits and is tried again until it expires.",
    ),
    Behaviour(
        "full",
        Act.REFUSE_RCPT,
        (552, "5.2.2", "Mailbox over quota"),
        "A full mailbox, said with a permanent code; after RCPT that may still mean: try later.",
    ),
    Behaviour(
        "block",
        Act.REFUSE_RCPT,
        (550, "5.7.1", "Message refused by local policy"),
        "A refusal by policy: it bounces, but says nothing against the address.",
    ),
    Behaviour(
        "greylist",
        Act.GREYLIST,
        (451, "4.7.1", "Greylisted, please try again"),
        "Refused at first, taken on the retry: the first 3 tries (greylist+5@: 5) or 60 seconds, whichever ends sooner.",
        number=3,
    ),
    Behaviour(
        "421",
        Act.HANG_UP_IN_DATA,
        (421, "4.3.2", "Service shutting down"),
        "The connection ends with 421 in the middle of the message; the mail waits for its retry.",
    ),
    Behaviour(
        "drop-after-dot",
        Act.DROP_AFTER_DOT,
        ACCEPTED,
        "The connection closes after the final dot without a reply: the outcome is unknown, and the retry is taken.",
    ),
    Behaviour(
        "tarpit",
        Act.TARPIT,
        (250, "2.0.0", "OK"),
        "The reply to the dot comes at one octet a second; other mail must not wait for it.",
    ),
    Behaviour(
        "slow",
        Act.SLOW,
        ACCEPTED,
        "The reply to the dot takes 5 seconds (slow+30@: 30), as a content scanner does.",
        number=5,
    ),
    Behaviour(
        "late-dsn",
        Act.LATE_REPORT,
        ACCEPTED,
        "Delivered, and 5 seconds later (late-dsn+60@: 60) a report to the return path says that it failed.",
        number=5,
    ),
    Behaviour(
        "complain",
        Act.COMPLAIN,
        ACCEPTED,
        "Delivered, and 5 seconds later (complain+60@: 60) the reader calls it spam: a feedback report arrives.",
        number=5,
    ),
    Behaviour(
        "out-of-office",
        Act.AUTO_REPLY,
        ACCEPTED,
        "Delivered, and 5 seconds later (out-of-office+60@: 60) an automatic reply, which must change nothing.",
        number=5,
    ),
)
WELL_BEHAVED: Final = Behaviour("anything-else", Act.ACCEPT, ACCEPTED, "The mail is delivered and shown here.")

GREYLIST_S: Final = 60
NUMBER_MOST: Final = 3_600
_BY_NAME: Final = {behaviour.name: behaviour for behaviour in BEHAVIOURS}


def of(address: str) -> tuple[Behaviour, int]:
    """The behaviour an address asks for and its number (0 where it has none); never fails, whatever the address."""
    name, _, parameter = address.rpartition("@")[0].lower().partition("+")
    behaviour = _BY_NAME.get(name, WELL_BEHAVED)
    default = behaviour.number or 0
    if behaviour.number is None or not (parameter.isascii() and parameter.isdigit()):
        return behaviour, default
    return behaviour, min(int(parameter[:9]), NUMBER_MOST)


def is_greylisted(tries: int, first_seen_s: float, now_s: float, most_tries: int) -> bool:
    """Whether this try (`tries` earlier ones were refused, the first at `first_seen_s`) is refused too."""
    return tries < most_tries and now_s - first_seen_s < GREYLIST_S
