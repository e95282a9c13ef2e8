"""Keeping classes of mail apart: which pools a class may take, and which domains it should come from. Pure.

Receivers judge a pool's addresses and a domain by all the mail that comes from them; one newsletter sent as a receipt costs the
receipts of weeks.
"""

from collections.abc import Collection
from typing import Final

from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Note, Refused
from posthouse.model.words import ClassPolicy, EventKind, MailClass, Pool

CROSSED: Final = "domain_of_another_class"

_POOLS: Final = {
    MailClass.TRANSACTIONAL: (Pool.TRANSACTIONAL, Pool.NOTIFICATION),
    MailClass.BUSINESS: (Pool.TRANSACTIONAL,),
    MailClass.MARKETING: (Pool.MARKETING,),
}


def pool_refusal(mail_class: MailClass, pool: Pool | None) -> Refused | None:
    """Why mail of this class may not leave by the pool it asks for; None when it may, or asks for none."""
    allowed = _POOLS[mail_class]
    if pool is None or pool in allowed:
        return None
    detail = f"Mail of the class {mail_class} leaves by the pool {' or '.join(allowed)}, not by {pool}."
    if mail_class is MailClass.MARKETING:
        detail += " Newsletters among single messages would cost those their good name with receivers."
    return Refused((FieldProblem("/pool", "pool_not_allowed", detail),))


def domain_judgement(
    mail_class: MailClass, domain: str, classes: Collection[MailClass], policy: ClassPolicy
) -> Note | Refused | None:
    """What to say of mail of one class from a domain that is for `classes` (none: for all): nothing, a warning, or no."""
    if not classes or mail_class in classes:
        return None
    meant = " and ".join(sorted(classes))
    if policy is ClassPolicy.WARN:
        text = f"{domain} is meant for {meant} mail, and this is {mail_class}: send it from another domain."
        return Note(EventKind.CLASS_CROSSED, text)
    detail = f"{domain} is for {meant} mail here, and this is {mail_class}: send it from another domain."
    return Refused((FieldProblem("/from", CROSSED, detail),))
