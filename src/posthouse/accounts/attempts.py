"""How often a secret may be guessed: the generic cell rate algorithm (ITU-T I.371) per key, with bounded memory."""

from collections import OrderedDict

from posthouse.accounts.networks import address_of
from posthouse.model import limits


class AttemptLimiter:
    """Lets `burst` attempts per key through at once, then one every `interval_s` seconds.

    A key is whatever is to be protected or blamed: an account, a place, both. An attempt counts before its outcome is known,
    otherwise a thousand simultaneous guesses would all find the count at zero; `refund` takes it back when it was right.
    At most `capacity` keys are remembered; the one left alone for longest goes first.
    """

    def __init__(self, burst: int, interval_s: float, capacity: int = limits.ATTEMPT_KEYS) -> None:
        assert burst > 0
        assert interval_s > 0
        self._interval_s = interval_s
        self._slack_s = (burst - 1) * interval_s
        self._capacity = capacity
        self._paid_until: OrderedDict[str, float] = OrderedDict()  # the "theoretical arrival time" of the next attempt

    def spend(self, key: str, at: float) -> float:
        """Count an attempt at monotonic time `at`. 0.0: go ahead. Otherwise the seconds until the next one may be made."""
        due = max(self._paid_until.get(key, at), at)
        if (wait_s := due - self._slack_s - at) > 0:
            return wait_s
        self._paid_until[key] = due + self._interval_s
        self._paid_until.move_to_end(key)
        if len(self._paid_until) > self._capacity:
            self._paid_until.popitem(last=False)
        return 0.0

    def refund(self, key: str) -> None:
        """The last attempt was right: do not count it."""
        if key in self._paid_until:
            self._paid_until[key] -= self._interval_s


def source_of(remote_ip: str) -> str:
    """The place an attempt is blamed on: an IPv4 address, or the /64 that one IPv6 customer has all of."""
    address = address_of(remote_ip)
    if address is None:
        return remote_ip
    return str(address) if address.version == 4 else f"{int(address) >> 64:x}::/64"
