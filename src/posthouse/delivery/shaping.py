"""How much a site is given at once: connections and mail held in memory. Pure.

A site starts with one connection and a handful of mails. What it is given grows with what it is seen to take, so a slow
receiver never makes us hold (and lose the order of) more than about a second of its mail, and a fast one is never starved.
"""

from math import ceil
from typing import Final

from posthouse.model.values import dataclass

DRAIN_S: Final = 0.5  # another connection is opened when what is queued would take longer than this
# ... or when mail is queued and no connection has moved for this long: they may all be at slow ones
STALL_S: Final = 0.5
HOLD_S: Final = 1.0  # mail held in memory, in seconds of the site's measured rate
HOLD_LEAST: Final = 20  # ... but never fewer: enough to keep a new site's first connections busy
# ... and never more: what a crash would mark as unknown, and what a late priority 9 could be behind
HOLD_MOST: Final = 500
# of what may be held must be free before more is claimed, and so much more for what is more urgent
REFILL: Final = 0.25
RESERVED: Final = 10  # ... at least


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of a site now.

    `seconds_per_mail` is a moving average on one connection, 0.0 before the first mail; `still_s` how long no session has begun
    or ended a mail; `rate_limit` the mails a second that may go, 0.0 for no limit.
    """

    queued: int
    connections: int
    seconds_per_mail: float
    still_s: float = 0.0
    rate_limit: float = 0.0


def connections_wanted(load: Load, limit: int) -> int:
    """How many connections the site should have. One until the first mail has told how long a mail takes.

    Where as much is held as for the fastest, nobody knows how much more waits: as many as there may be.
    """
    if load.queued == 0:
        return load.connections
    drain = ceil(load.queued * load.seconds_per_mail / DRAIN_S)
    if load.seconds_per_mail and load.queued >= HOLD_MOST // 2:
        drain = limit
    stalled = load.connections + 1 if load.still_s > STALL_S else 1
    return max(load.connections, min(limit, max(drain, stalled)))


def hold(load: Load) -> int:
    """How many mails the site may hold in memory."""
    least = min(HOLD_LEAST, ceil(load.rate_limit * HOLD_S) + load.connections + 1) if load.rate_limit else HOLD_LEAST
    if load.seconds_per_mail == 0.0:
        return least
    rate = max(load.connections, 1) / load.seconds_per_mail
    if load.rate_limit:
        rate = min(rate, load.rate_limit)
    return max(least, min(HOLD_MOST, int(rate * HOLD_S)))


def room(load: Load, urgent: int) -> int:
    """How many more mails may be claimed for a site that holds `urgent` mails at least as urgent as its best ready ones.

    None while only a few places are free: claims are cheap by the hundred and dear by the one. Mail that is more urgent than
    some of what is held has places of its own, so that it never waits for the others to go.
    """
    most = hold(load)
    free = most - load.queued
    if free >= most * REFILL:
        return free
    reserved = max(RESERVED, int(most * REFILL)) if urgent < load.queued else 0
    return reserved - urgent if urgent <= reserved // 2 else 0
