"""What a receiver's refusals mean for the path to it, beyond the one mail: suspend it, slow it down, or use fewer connections. Pure.

`consider` takes every reply that was not a success. Named actions from the shaping rules match words of the reply; what none of them
knows is still answered by `adapted`: each push-back halves the connections, and they come back one by one.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from posthouse.delivery.rates import Rate, words
from posthouse.model.limits import REPLY_QUOTED_CHARS
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.values import dataclass

RECOVER_S: Final = 30.0  # until a path gets one of its lost connections back
COOL_S: Final = 5.0  # refusals this close together are one: all sessions meet the same push-back at once
# of the two above the first, and of suspensions: sites that were refused together do not come back together
JITTER: Final = 0.2

_OPENING: Final = frozenset({Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.MAIL})


class Do(StrEnum):
    """What an action does; the last two to the mail alone, not to the path."""

    SUSPEND = "suspend"  # nothing is dialled on this path for a time
    SLOW = "slow"  # a lower rate and fewer connections for a time
    IGNORE = "ignore"  # the path stays as it is, as for greylisting
    DEFER = "defer"  # this refusal is temporary, whatever its code says
    BOUNCE = "bounce"  # this refusal is final, whatever its code says


@dataclass(frozen=True, slots=True)
class Action:
    """One rule about replies.

    It matches when one of `texts` is found in the reply as it stands on one line (code first), without regard to case, where `*`
    bridges any text between two pieces; and when its code, as `421`, `4.7.28`, `4xx` or `5xx`, is one of `codes`, and its stage one
    of `stages`; what is empty does not ask. It acts on the `after`-th match within `within_s`. `rule` is where it is written, as in
    "google in shaping.toml".
    """

    name: str
    do: Do
    texts: tuple[str, ...] = ()
    rule: str = ""
    for_s: float = 0.0
    rate: Rate | None = None
    connections: int | None = None
    codes: frozenset[str] = frozenset()
    stages: frozenset[Stage] = frozenset()
    after: int = 1
    within_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Said:
    """A refusal, and how it found us: connections open to the site then, and a random number in [0, 1) that spreads what follows."""

    reply: Reply
    stage: Stage
    connections: int
    jitter: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of an action that waits for more of them."""

    action: str
    at: float


@dataclass(frozen=True, slots=True)
class State:
    """What one path remembers of its refusals.

    `hits` are matches that have not led to anything yet. `allowed` connections were left at `cut_at`; one more comes back every
    `recover_s`. 0: never cut.
    """

    hits: tuple[Hit, ...] = ()
    allowed: int = 0
    cut_at: float = 0.0
    recover_s: float = RECOVER_S


@dataclass(frozen=True, slots=True)
class Effect:
    """What the path has to keep to until a moment: nothing at all (SUSPEND), or `rate` and `connections` where given (SLOW)."""

    do: Do
    rule: str
    until: float
    sentence: str
    rate: Rate | None = None
    connections: int | None = None


FRESH: Final = State()
_ABOUT_THE_MAIL: Final = {Do.DEFER: Outcome.TRANSIENT, Do.BOUNCE: Outcome.PERMANENT}


def consider(state: State, said: Said, now: float, actions: Sequence[Action]) -> tuple[State, Effect | None]:
    """The path's memory after a refusal, and what it has to keep to from now on, if anything new.

    The first action that matches decides. One that suspends or slows leaves one connection, so that even after its end the path
    comes back step by step.
    """
    action = matching(said.reply, said.stage, actions)
    if action is None or action.do in _ABOUT_THE_MAIL:
        return (_cut(state, said, now) if _is_push_back(said) else state), None
    if action.do is Do.IGNORE:
        return state, None
    hits = tuple(hit for hit in state.hits if hit.action != action.name or now - hit.at < action.within_s)
    if sum(hit.action == action.name for hit in hits) + 1 < action.after:
        remembered = replace(state, hits=(*hits, Hit(action.name, now)))
        return (_cut(remembered, said, now) if _is_push_back(said) else remembered), None
    effect = _effect(action, said, now)
    others = tuple(hit for hit in hits if hit.action != action.name)
    return State(others, 1, effect.until, _recover_s(said.jitter)), effect


def coming_back(at: float) -> State:
    """The memory of a path that is held back until `at`, or was: one connection then, and one more from time to time."""
    return State(allowed=1, cut_at=at)


def adapted(limit: int, state: State, now: float) -> int:
    """How many connections the path may have of its `limit`: at least one."""
    if state.allowed == 0:
        return limit
    back = max(0, int((now - state.cut_at) / state.recover_s))
    return max(1, min(limit, state.allowed + back))


def outcome_of(outcome: Outcome, reply: Reply, stage: Stage, actions: Sequence[Action]) -> Outcome:
    """What a refusal means for its mail: DEFER and BOUNCE actions know better than the code."""
    if outcome not in {Outcome.TRANSIENT, Outcome.PERMANENT}:
        return outcome
    action = matching(reply, stage, actions)
    return _ABOUT_THE_MAIL.get(action.do, outcome) if action else outcome


def matching(reply: Reply, stage: Stage, actions: Sequence[Action]) -> Action | None:
    """The first action that a reply at a stage matches."""
    line = str(reply).casefold()
    codes = {str(reply.code), reply.enhanced, f"{reply.code // 100}xx"}
    for action in actions:
        asked = (not action.codes or action.codes & codes) and (not action.stages or stage in action.stages)
        if asked and (not action.texts or any(_found(text, line) for text in action.texts)):
            return action
    return None


def _found(text: str, line: str) -> bool:
    """Whether the pieces of `text` between its stars stand in `line` in their order. Linear, whatever a receiver writes."""
    at = 0
    for piece in text.casefold().split("*"):
        at = line.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _is_push_back(said: Said) -> bool:
    """Whether the receiver wants less of us: 421 anywhere, or a 4yz before any recipient was named."""
    return said.reply.code == 421 or (said.stage in _OPENING and 400 <= said.reply.code < 500)


def _cut(state: State, said: Said, now: float) -> State:
    """Half of the connections it had; but once for all that were refused together."""
    if state.allowed and now - state.cut_at < COOL_S:
        return state
    return replace(state, allowed=max(1, said.connections // 2), cut_at=now, recover_s=_recover_s(said.jitter))


def _recover_s(jitter: float) -> float:
    return RECOVER_S * (1.0 + JITTER * (2.0 * jitter - 1.0))


def _effect(action: Action, said: Said, now: float) -> Effect:
    until = now + action.for_s * (1.0 + JITTER * said.jitter)  # never sooner than the rule says
    rule = f'"{action.name}" of {action.rule}' if action.rule else action.name
    sentence = f"The receiver said {_quoted(said.reply)}; {_restraint(action)}."
    return Effect(action.do, rule, until, sentence, action.rate, action.connections)


def _quoted(reply: Reply) -> str:
    text = str(reply).rstrip(" .")
    return text if len(text) <= REPLY_QUOTED_CHARS else f"{text[: REPLY_QUOTED_CHARS - 1]}…"


def _restraint(action: Action) -> str:
    if action.do is Do.SUSPEND:
        return f"nothing is sent there for {words(action.for_s)}"
    rate = f"at most {action.rate}" if action.rate else ""
    connections = f"{action.connections} connection{'s' * (action.connections != 1)}" if action.connections else ""
    return f"it gets {' over '.join(filter(None, (rate, connections)))} for {words(action.for_s)}"
