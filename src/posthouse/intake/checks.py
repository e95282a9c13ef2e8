"""Whether a credential may send a message at all. Pure."""

from typing import Final

from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Refused, Submission, Submitter
from posthouse.model.words import MailClass, Scope

ADDRESS_MISSING: Final = "postal_address_missing"


def refusal(
    submission: Submission, submitter: Submitter, mail_class: MailClass, may_use_domain: bool
) -> Refused | None:
    """Why this message is not taken, or None. `may_use_domain` answers for the domain of From."""
    if Scope.SEND not in submitter.scopes:
        return _forbidden(
            "", "scope_missing", f"The credential “{submitter.name}” may not send: it lacks the scope send."
        )
    if not may_use_domain:
        domain = submission.sender.rpartition("@")[2]
        return _forbidden(
            "/from",
            "sender_not_allowed",
            f"{domain} is not a verified sending domain of this credential, or its DNS records are not complete. See Domains.",
        )
    if submission.priority is not None and not submitter.priority_allowed:
        return _forbidden("/priority", "priority_not_allowed", "Priorities are switched off for this workspace.")
    if submission.mailing_type and mail_class is not MailClass.MARKETING:
        detail = f"Mailing types are of marketing mail, and this message is {mail_class}."
        return Refused((FieldProblem("/mailing_type", "contradiction", detail),))
    if mail_class is MailClass.MARKETING and not submitter.any_domain:
        return _marketing_refused()
    if mail_class is MailClass.MARKETING and not submitter.postal_address:
        return _address_missing()
    return None


def is_test_to_oneself(submission: Submission, submitter: Submitter, hostname: str) -> bool:
    """Whether a person tries the system out: from our own host name to nobody but herself.

    That needs no verified domain, so that a first mail can be seen before the DNS is done.
    """
    own = submitter.own_address.casefold()
    from_us = submission.sender.rpartition("@")[2] == hostname.lower()
    return from_us and own != "" and all(r.address.casefold() == own for r in submission.recipients)


def _marketing_refused() -> Refused:
    # Marketing needs consent; taking it without would break the law in its sender's name.
    # The lab's credentials may: their mail reaches nobody.
    detail = "Marketing mail needs recipients who opted in, and their consent cannot be shown yet. Use transactional."
    return Refused((FieldProblem("/class", "class_not_available", detail),))


def _address_missing() -> Refused:
    detail = "Marketing mail says where its sender is reached by post: an administrator has to enter the postal address in Settings first."
    return Refused((FieldProblem("/class", ADDRESS_MISSING, detail),))


def _forbidden(pointer: str, code: str, detail: str) -> Refused:
    return Refused((FieldProblem(pointer, code, detail),), status=403)
