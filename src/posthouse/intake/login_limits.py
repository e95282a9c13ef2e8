"""How often an SMTP login may fail: per address, and within it per user name."""

from typing import NamedTuple

from posthouse.accounts import tokens
from posthouse.accounts.attempts import AttemptLimiter, source_of
from posthouse.model.limits import AUTH_BURST, AUTH_INTERVAL_S, AUTH_SOURCE_BURST, AUTH_SOURCE_INTERVAL_S


class Attempt(NamedTuple):
    """One login that was let through, to be given back when it was right."""

    login: str
    source: str


class LoginLimits:
    """One per process.

    A user name is never counted without the address: a stranger who knows it could lock its owner out, and guessing 160 random
    bits needs no such brake. One device with an old password blocks itself and not the office it shares an address with.
    """

    def __init__(self) -> None:
        self._logins = AttemptLimiter(AUTH_BURST, AUTH_INTERVAL_S)
        self._sources = AttemptLimiter(AUTH_SOURCE_BURST, AUTH_SOURCE_INTERVAL_S)

    def spend(self, username: str, peer: str, at: float) -> Attempt | None:
        """Count an attempt from this IP address at monotonic time `at`; None: not now. What is turned away costs nothing more."""
        source = source_of(peer)
        # A digest, because the name is whatever a stranger sent, and as long.
        attempt = Attempt(f"{tokens.digest(username.casefold()).hex()} {source}", source)
        if self._logins.spend(attempt.login, at) > 0:
            return None
        if self._sources.spend(source, at) > 0:
            self._logins.refund(attempt.login)
            return None
        return attempt

    def refund(self, attempt: Attempt) -> None:
        """The login was right, or could not be checked."""
        self._logins.refund(attempt.login)
        self._sources.refund(attempt.source)
