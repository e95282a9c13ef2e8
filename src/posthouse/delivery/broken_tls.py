"""Sites whose TLS was seen to break, so that not every mail finds out anew."""

from posthouse.model.limits import SITES_WITH_BROKEN_TLS
from posthouse.runtime.clock import Clock
from posthouse.wire.tlsrpt import ResultType


class BrokenTls:
    """Only ever asked where nobody demands encryption: elsewhere remembering would make a delay out of a mishap."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, ResultType]] = {}  # site -> until when (monotonic), and how it broke

    def result(self, site: str) -> ResultType | None:
        """How TLS broke at this site not long ago, or None."""
        until, result = self._known.get(site, (0.0, None))
        return result if until > self._clock.monotonic() else None

    def remember(self, site: str, result: ResultType | None, seconds: float) -> None:
        """It broke now."""
        self._known.pop(site, None)
        if len(self._known) >= SITES_WITH_BROKEN_TLS:
            del self._known[next(iter(self._known))]
        self._known[site] = self._clock.monotonic() + seconds, result or ResultType.VALIDATION_FAILURE
