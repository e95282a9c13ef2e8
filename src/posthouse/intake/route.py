"""Which road a message takes, and the reason in words. Pure; a dry run and the compose page call the same function."""

from posthouse.model.mail import RouteChoice, Submission, Submitter
from posthouse.model.words import MailClass, Pool, Route, Source

_BY_CLASS = {
    MailClass.TRANSACTIONAL: (Route.TRANSACTIONAL, Pool.TRANSACTIONAL),
    MailClass.MARKETING: (Route.MARKETING, Pool.MARKETING),
    # Business mail that comes by API or SMTP has no user mailbox to leave by; it must not wait behind bulk either.
    MailClass.BUSINESS: (Route.TRANSACTIONAL, Pool.TRANSACTIONAL),
}


def choose(
    submission: Submission, submitter: Submitter, mail_class: MailClass, class_reason: str, *, shared_pool: bool = False
) -> RouteChoice:
    """The road, the pool and the priority of one message. With a shared pool all of them leave by one, by priority alone."""
    route, pool = _BY_CLASS[mail_class]
    pool = Pool.TRANSACTIONAL if shared_pool else submission.pool or pool
    way = f"the {pool} pool, which all classes share" if shared_pool else f"the {pool} pool"
    reason = f"{route}: the class is {mail_class} because {class_reason}; it leaves by {way}."
    return RouteChoice(route, pool, mail_class, _priority(submission, submitter), reason)


def _priority(submission: Submission, submitter: Submitter) -> int:
    # SMTP has no priority (LUX-9), and an account's default is set for its API.
    if submission.priority is not None and submission.source is not Source.SMTP:
        return submission.priority
    return submitter.default_priority
