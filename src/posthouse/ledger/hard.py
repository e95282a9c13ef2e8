"""Which failures are the address's own fault, so that it is never written to again. Pure."""

# RFC 3463 3.2 and RFC 7505: no such mailbox, no such system, bad syntax, domain that takes no mail. Everything else may be the
# fault of the path (5.7.x), of the content, or of the day, and says nothing about the person.
_HARD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.10"})


def is_hard(enhanced: str | None) -> bool:
    """Whether this enhanced status code says that the address does not exist."""
    return enhanced in _HARD
