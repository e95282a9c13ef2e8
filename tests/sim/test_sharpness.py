"""The promises can be broken: each of these faults, put into the product on purpose, is found within a few simulated histories."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posthouse.delivery import gate, ownership, settle, shaping, worker
from posthouse.intake import commit
from posthouse.ledger import events, suppression
from posthouse.model.words import EventKind
from posthouse.outbox import claims, sites
from posthouse.outbox.sql import SQL
from posthouse.runtime.queries import Query
from tests.sim.scenario import Scenario, Trouble, drawn
from tests.sim.world import Stage

SEEDS = 30
Patch = pytest.MonkeyPatch


def _rewrite(patch: Patch, name: str, old: str, new: str) -> None:
    """Another text for a statement of the outbox."""
    known = SQL._queries[name]
    assert old in known.sql
    patch.setitem(SQL._queries, name, Query(name, known.intent, known.sql.replace(old, new)))


def forgetful_settler(patch: Patch) -> None:
    async def forget(self: Any, batch: Any) -> list[None]:
        self._hands.drop(ended.mail for ended in batch)
        return [None] * len(batch)

    patch.setattr(settle.Settler, "_commit", forget)


def greedy_claim(patch: Patch) -> None:
    _rewrite(patch, "claim", "state = 'ready'", "state IN ('ready', 'claimed')")


def claim_from_the_bottom(patch: Patch) -> None:
    _rewrite(patch, "claim", "priority DESC", "priority ASC")


def recovery_from_the_living(patch: Patch) -> None:
    _rewrite(patch, "orphans", "w.lease_until > $1", "w.lease_until > $1::timestamptz + interval '1 day'")


def silent_recovery(patch: Patch) -> None:
    said = worker._event

    def silent(*args: Any) -> events.Event:
        event = said(*args)
        return events.Event(
            event.workspace_id,
            event.event_id,
            event.occurred_at,
            event.message_id,
            event.recipient_id,
            EventKind.RETRIED,
        )

    patch.setattr(worker, "_event", silent)


def too_many_connections(patch: Patch) -> None:
    patch.setattr(shaping, "connections_wanted", lambda load, limit: 8 if load.queued else load.connections)
    patch.setattr(gate.Gate, "connections", lambda self, now: 8)
    patch.setattr(gate.Gate, "may_dial", lambda self, now: True)


def everybody_owns_everything(patch: Patch) -> None:
    async def own(_: Any, __: Any, groups: Any, *___: Any) -> set[str]:
        return set(groups)

    patch.setattr(sites, "own", own)
    patch.setattr(ownership.Owned, "should", lambda self, group: True)


def deaf_to_suppressions(patch: Patch) -> None:
    patch.setattr(suppression, "blocking", lambda *_: None)


def promise_before_the_commit(patch: Patch) -> None:
    async def nothing(*_: Any) -> None:
        pass

    patch.setattr(commit.Commit, "_write", nothing)


def event_for_what_is_not_ours(patch: Patch) -> None:
    real = claims.settle

    async def settled(connection: Any, workspace_id: Any, worker_id: Any, settlements: Any) -> set[Any]:
        await real(connection, workspace_id, worker_id, settlements)
        return {settlement.recipient_id for settlement in settlements}

    patch.setattr(claims, "settle", settled)


def as_drawn(scenario: Scenario) -> None:
    pass


def many_crashes(scenario: Scenario) -> None:
    times = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 12.0)
    scenario.troubles = [Trouble(at, "crash", victim, 1.0) for victim, at in enumerate(times)]


def one_slow_receiver(scenario: Scenario) -> None:
    """Much mail for one domain within two seconds, little of it in hand, and nothing else in the way."""
    scenario.hold_least, scenario.reserved = 2, 4
    scenario.troubles = []
    domain = min(scenario.domains)
    scenario.plans = [
        replace(
            plan,
            at=0.5 + plan.at / 10.0,
            domain=domain,
            recipients=tuple(f"{name.split('@')[0]}-{time}@{domain}" for name in plan.recipients),
            send_after_s=None,
        )
        for time in range(3)
        for plan in scenario.plans
    ]
    for mood in scenario.moods.values():
        mood.pace_s = (0.1, 0.3)


@pytest.mark.parametrize(
    ("fault", "complaint", "weather"),
    [
        (forgetful_settler, "nobody said so", as_drawn),
        (greedy_claim, "on two connections at once", as_drawn),
        (claim_from_the_bottom, "could have gone for", one_slow_receiver),
        (recovery_from_the_living, "alive and well", as_drawn),
        (silent_recovery, "nobody said so", many_crashes),
        (too_many_connections, "the limit is", as_drawn),
        (everybody_owns_everything, "the limit is", as_drawn),
        (deaf_to_suppressions, "after it was suppressed", as_drawn),
        (promise_before_the_commit, "was acknowledged and is not there", as_drawn),
        (event_for_what_is_not_ours, "final events", as_drawn),
    ],
)
def test_a_fault_in_the_product_is_found(
    stage: Stage,
    monkeypatch: Patch,
    fault: Callable[[Patch], None],
    complaint: str,
    weather: Callable[[Scenario], None],
) -> None:
    fault(monkeypatch)
    found: list[str] = []
    for seed in range(1, SEEDS + 1):
        scenario = drawn(seed)
        weather(scenario)
        found += stage.play(seed, scenario=scenario).broken
        if any(complaint in sentence for sentence in found):
            return
    pytest.fail(f"{SEEDS} histories without it; they had {sorted(set(found))[:5]}")
