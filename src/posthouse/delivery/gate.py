"""What one source may do to one receiver now: how many connections, how many mails, and what the receiver's own words forbid.

A gate stands between a source address and a group of sites that count together (`rules.Limits.group`). It keeps no time of its own
and talks to nobody: paths ask it before they dial and before they send, and tell it what the receiver refused.
"""

from posthouse.delivery import backoff
from posthouse.delivery.backoff import Do, Effect, Said
from posthouse.delivery.line import Line
from posthouse.delivery.rates import Bucket, Rate
from posthouse.delivery.rules import Limits
from posthouse.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may go before `until` (monotonic), by which rule, and that in a sentence."""

    until: float
    rule: str
    sentence: str


class Gate:
    """The limits of one source at one group of sites, with what has been used of them. `now` is monotonic everywhere."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.open = 0  # connections of all paths through this gate
        self.line = Line()
        self.effect: Effect | None = None
        self._state = backoff.FRESH
        self._slowed: Bucket | None = None
        self.renew(limits, now)

    def renew(self, limits: Limits, now: float) -> None:
        """Other limits hold from now on; what the receiver has said still counts."""
        self.limits = limits
        self._mails = [Bucket(rate, now) for rate in limits.mail_rates]
        self._dials = Bucket(limits.connection_rate, now) if limits.connection_rate else None

    def connections(self, now: float) -> int:
        """How many connections may be open at once."""
        if self.effect is None and self._state is backoff.FRESH:
            return self.limits.connections
        most = backoff.adapted(self.limits.connections, self._state, now)
        effect = self._in_force(now)
        return min(most, effect.connections) if effect and effect.connections else most

    def may_dial(self, now: float) -> bool:
        """Whether one more connection may be opened."""
        if self.open >= self.connections(now) or self.suspended(now) is not None:
            return False
        return self._dials is None or self._dials.wait_s(now) == 0.0

    def dialled(self, now: float) -> None:
        """A connection is being opened."""
        self.open += 1
        if self._dials is not None:
            self._dials.take(now)

    def hung_up(self) -> None:
        """A connection has ended."""
        self.open -= 1

    def suspended(self, now: float) -> Wait | None:
        """Until when nothing at all may go, because of what the receiver said."""
        effect = self._in_force(now)
        return Wait(effect.until, effect.rule, effect.sentence) if effect and effect.do is Do.SUSPEND else None

    def wait(self, now: float) -> Wait | None:
        """None when one mail may go now, else what it waits for."""
        if self.effect is None and not self._mails:
            return None
        if (suspended := self.suspended(now)) is not None:
            return suspended
        late = max(self._buckets(now), key=lambda bucket: bucket.wait_s(now), default=None)
        if late is None or (wait_s := late.wait_s(now)) == 0.0:
            return None
        effect = self._in_force(now)
        if effect is not None and late is self._slowed:
            return Wait(now + wait_s, effect.rule, effect.sentence)
        return Wait(now + wait_s, self.limits.rule, f"At most {late.rate} may go there.")

    def take(self, now: float) -> None:
        """One mail goes."""
        for bucket in self._buckets(now):
            bucket.take(now)

    def refused(self, said: Said, now: float) -> Effect | None:
        """A refusal; what has to be kept to from now on because of it, if that is new."""
        self._state, effect = backoff.consider(self._state, said, now, self.limits.actions)
        return effect if effect is not None and self.heed(effect, now) else None

    def heed(self, effect: Effect, now: float) -> bool:
        """Keeps to this from now on, unless something stricter is in force; whether it does."""
        if self._is_stricter(effect, now):
            return False
        self.effect = effect
        self._slowed = Bucket(effect.rate, now) if effect.rate else None
        return True

    def resume(self, effect: Effect, now: float) -> bool:
        """Keeps to what this source was told before, by another process; whether it does."""
        heeded = self.heed(effect, now)
        if heeded:
            self._state = backoff.coming_back(effect.until)
        return heeded

    def forgive(self, now: float) -> None:
        """What the receiver said no longer counts; connections come back one by one."""
        self.effect, self._slowed = None, None
        self._state = backoff.coming_back(now)

    def mails_per_s(self, now: float) -> float:
        """The rate in force; 0.0 when there is no limit."""
        return min((_per_s(bucket.rate) for bucket in self._buckets(now)), default=0.0)

    def remembers(self, now: float) -> bool:
        """Whether anything that was sent or said still restrains it."""
        if self._in_force(now) is not None or self.connections(now) < self.limits.connections:
            return True
        return any(bucket.wait_s(now) > 0 for bucket in self._mails)

    def excess(self, now: float) -> int:
        """How many sessions too many there are, beyond those already leaving."""
        return self.open - self.line.leaving - self.connections(now)

    def _is_stricter(self, effect: Effect, now: float) -> bool:
        """Whether what is in force forbids more than the new one: a milder word of another session lifts nothing."""
        present = self._in_force(now)
        if present is None or present.do is not Do.SUSPEND:
            return False
        return effect.do is not Do.SUSPEND or effect.until <= present.until

    def _in_force(self, now: float) -> Effect | None:
        if self.effect is not None and self.effect.until <= now:
            self.effect, self._slowed = None, None
        return self.effect

    def _buckets(self, now: float) -> list[Bucket]:
        slowed = self._slowed if self._in_force(now) else None
        return [*self._mails, slowed] if slowed else self._mails


def _per_s(rate: Rate) -> float:
    return rate.count / rate.per_s
