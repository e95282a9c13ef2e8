"""Which class a message has. Pure."""

from posthouse.model.mail import Submission, Submitter
from posthouse.model.words import MailClass, Source


def classify(submission: Submission, submitter: Submitter) -> tuple[MailClass, str]:
    """The class and who said so: the message itself, the person who wrote it by hand, or the credential."""
    if submission.mail_class is not None:
        return submission.mail_class, "the message says so"
    if submission.source is Source.NOTICE:
        return MailClass.TRANSACTIONAL, "it tells a sender of a failure"
    if submission.source is Source.MANUAL:
        return MailClass.BUSINESS, "a person wrote it by hand"
    return submitter.default_class, f"the credential “{submitter.name}” says so"
