"""What a workspace chose about bounces, as its mail is refused on the wire."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink

from posthouse.accounts import alerts, changes
from posthouse.intake import blocked_alerts, bounce_policies, soft_bounces
from posthouse.intake.blocked_alerts import Blocked, BlockedAlerts
from posthouse.ledger import bounce_policy, suppression
from posthouse.ledger.bounce_policy import BouncePolicy
from posthouse.ledger.soft import Soft
from posthouse.model.limits import BLOCKED_ALERTS
from posthouse.runtime.postgres import transaction

BOB = "bob@there.test"


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def choose(corridor: Corridor, **wanted: Any) -> None:
    policy = bounce_policy.read({**msgspec.to_builtins(bounce_policy.DEFAULT), **wanted})
    assert isinstance(policy, BouncePolicy), policy
    async with changes.making(corridor.process, corridor.submitter.workspace_id, "user:ann@x.test") as change:
        await bounce_policies.choose(change, policy)


async def refused(corridor: Corridor, reply: bytes, *addresses: str) -> None:
    async with sink({"RCPT": reply}) as receiver, corridor.delivering(receiver.port):
        await corridor.settled([await corridor.send(address) for address in addresses])


async def entries(corridor: Corridor) -> list[tuple[str, str]]:
    async with corridor.process.pool.acquire() as connection:
        found = await suppression.entries_of(connection, corridor.submitter.workspace_id, [BOB])
    return [(each.scope, each.reason) for each in found.get(BOB, [])]


async def in_force(corridor: Corridor) -> list[str]:
    found = await alerts.in_force(corridor.process.pool, corridor.submitter.workspace_id)
    return sorted(each.trouble.subject for each in found)


async def test_own_rules_judge_what_is_said_on_the_wire(corridor: Corridor) -> None:
    rule = {"match": "user unknown", "status": "5.1.1", "bounce_class": "blocked", "reason": "reputation"}
    await choose(corridor, rules=[rule])
    await refused(corridor, b"550 5.1.1 User unknown\r\n", BOB)
    assert await entries(corridor) == []
    data = await corridor.process.pool.fetchval("SELECT data FROM events WHERE kind = 'bounced'")
    assert (data["class"], data["rule"]) == ("blocked", "own rule 1 (user unknown)")


async def test_a_hard_bounce_may_be_left_without_consequence(corridor: Corridor) -> None:
    await choose(corridor, hard="nothing")
    await refused(corridor, b"550 5.1.1 User unknown\r\n", BOB)
    assert await entries(corridor) == []


async def test_who_refuses_our_mail_is_told_once_and_nobody_is_struck_off(corridor: Corridor) -> None:
    await refused(corridor, b"550 5.7.1 Listed by zen.spamhaus.org\r\n", BOB, "eve@there.test", "carl@else.test")
    found = await alerts.in_force(corridor.process.pool, corridor.submitter.workspace_id)
    assert sorted(each.trouble.subject for each in found) == ["else.test", "there.test"]
    assert all("Listed by zen.spamhaus.org" in each.trouble.sentence for each in found)
    assert await entries(corridor) == []


async def test_fewer_soft_bounces_may_be_enough_or_none(corridor: Corridor) -> None:
    async def give_up() -> None:
        async with transaction(corridor.process.pool) as connection:
            soft = [Soft(BOB, corridor.process.ids.new())]
            now = corridor.process.clock.now()
            await soft_bounces.count(connection, corridor.submitter.workspace_id, soft, "delivery", now)

    await choose(corridor, soft_messages=0, soft_days=0)
    await give_up()
    await give_up()
    assert await entries(corridor) == []
    await choose(corridor, soft_messages=3, soft_days=0)
    await give_up()
    assert await entries(corridor) == [("marketing", "soft_bounces")]


class Ticking:
    """The clock of the corridor, with a monotonic time of our own."""

    def __init__(self, corridor: Corridor) -> None:
        self.now = corridor.process.clock.now
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


async def test_an_alert_ends_when_mail_arrives_long_after_the_last_refusal(
    corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, workspace_id = Ticking(corridor), corridor.submitter.workspace_id
    monkeypatch.setattr(corridor.process, "clock", clock)
    watch = BlockedAlerts(corridor.process)
    here = [("mx1.provider.test", BOB)]
    async with transaction(corridor.process.pool) as connection:
        refusal = Blocked("there.test", "mx1.provider.test", "550 5.7.1 no", "policy")
        await watch.note(connection, workspace_id, [refusal], "delivery")
        await watch.arrived(connection, workspace_id, here, "delivery")
    assert await in_force(corridor) == ["provider.test"]
    clock.seconds += timedelta(hours=2).total_seconds()
    async with transaction(corridor.process.pool) as connection:
        await watch.arrived(connection, workspace_id, here, "delivery")
    assert await in_force(corridor) == []


async def test_a_thousand_small_receivers_do_not_fill_the_page_of_alerts(corridor: Corridor) -> None:
    watch, workspace_id = BlockedAlerts(corridor.process), corridor.submitter.workspace_id
    refusals = [Blocked(f"d{n}.test", f"mx.d{n}.test", "550 5.7.1 no", "policy") for n in range(BLOCKED_ALERTS + 50)]
    async with transaction(corridor.process.pool) as connection:
        await watch.note(connection, workspace_id, refusals, "delivery")
    assert len(await in_force(corridor)) == BLOCKED_ALERTS


@pytest.mark.parametrize(
    ("remote", "domain", "name"),
    [
        ("gmail-smtp-in.l.google.com", "acme.test", "google.com"),
        ("mx1.isp.co.uk", "acme.test", "isp.co.uk"),
        ("192.0.2.1", "acme.test", "acme.test"),
        ("", "acme.test", "acme.test"),
        ("::1", "acme.test", "acme.test"),
    ],
)
def test_hosts_belong_to_a_provider(remote: str, domain: str, name: str) -> None:
    assert blocked_alerts.provider(remote, domain) == name
