"""A real Exim: what it takes and sends back later, and what it refuses at once, in its own words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests import inbound_role
from tests.corridor import CONTENT, Corridor, MakeProcess, open_corridor
from tests.peers import exim
from tests.peers.exim import Exim

from free_ports import free_port
from posthouse.ledger import timeline
from posthouse.model.mail import Accepted
from posthouse.model.words import FINAL_STATES, EventKind, State

pytestmark = pytest.mark.skipif(bool(exim.missing()), reason=exim.missing())


@dataclass(frozen=True)
class House:
    """The corridor, a door for what comes back, and the Exim on the other side."""

    corridor: Corridor
    exim: Exim

    async def send(self, port: int, *addresses: str, **changes: Any) -> dict[str, Accepted]:
        """A mail to each, once Exim has answered to all."""
        sent = {address: await self.corridor.send(address, **changes) for address in addresses}
        async with self.corridor.delivering(port), asyncio.timeout(20):
            for each in sent.values():
                while not await self._answered(each):  # noqa: ASYNC110 - the ledger is a table
                    await asyncio.sleep(0.02)
        return sent

    async def _answered(self, mail: Accepted) -> bool:
        (row,) = await self.corridor.recipients(mail.message_id)
        return row.state in FINAL_STATES or bool(row.state is State.WAITING and row.reason)

    async def heard(self, mail: Accepted, kind: EventKind) -> dict[str, Any]:
        """What the event of this kind says, once it is there."""
        workspace_id = self.corridor.submitter.workspace_id
        async with asyncio.timeout(20):
            while True:
                async with self.corridor.process.pool.acquire() as connection:
                    events = await timeline.events(connection, workspace_id, mail.message_id)
                if found := [event.data for event in events if event.kind is kind]:
                    return found[0]
                await asyncio.sleep(0.05)

    async def state(self, mail: Accepted) -> State:
        (row,) = await self.corridor.recipients(mail.message_id)
        return row.state

    async def suppressed(self) -> dict[str, str]:
        """Reasons by address."""
        rows = await self.corridor.process.pool.fetch("SELECT address, scope, reason FROM suppressions")
        return {row["address"]: f"{row['scope']} {row['reason']}" for row in rows}


@pytest.fixture(scope="module")
def server() -> Iterator[Exim]:
    with exim.running(free_port()) as started:
        yield started


@pytest.fixture
async def house(make_process: MakeProcess, server: Exim) -> AsyncIterator[House]:
    inbound = make_process("inbound", inbound={"port": server.returns, "host": "127.0.0.1"}, lab={"enabled": True})
    async with open_corridor(make_process) as corridor, inbound_role.running(inbound):
        yield House(corridor, server)


REPORTED = {
    "nobody@exim.test": ("hard", "no_such_mailbox", "Unrouteable address"),
    "closed@exim.test": ("hard", "no_such_mailbox", "This account was closed by the administrator"),
    "full@exim.test": ("soft", "mailbox_full", "mailbox is full: retry timeout exceeded"),
    "nobody@inner.test": ("hard", "no_such_mailbox", "User unknown in virtual mailbox table"),
    "policy@inner.test": ("blocked", "policy", "550 5.7.1 Message rejected due to local policy"),
    "greylisted@inner.test": ("soft", "greylisted", "Greylisted, please try again later: retry timeout exceeded"),
}


async def test_what_exim_took_and_sends_back_is_read_as_what_it_is(house: House) -> None:
    sent = await house.send(house.exim.lenient, *REPORTED, "slow@inner.test", "anna@exim.test")
    for address, (bounce_class, reason, words) in REPORTED.items():
        said = await house.heard(sent[address], EventKind.LATE_BOUNCE)
        assert (said["class"], said["class_reason"]) == (bounce_class, reason), said
        assert said["reason"].startswith("Returned after delivery: "), said
        assert said["reason"].endswith(words), said
        assert await house.state(sent[address]) is State.BOUNCED
    delayed = await house.heard(sent["slow@inner.test"], EventKind.DELAYED)
    assert delayed["reason"] == "Delayed at 127.0.0.1: 451 Greylisted, please try again later"
    assert [await house.state(sent[address]) for address in ("slow@inner.test", "anna@exim.test")] == [
        State.DELIVERED
    ] * 2
    hard = [address for address, (bounce_class, _, _) in REPORTED.items() if bounce_class == "hard"]
    assert await house.suppressed() == dict.fromkeys(hard, "everything hard_bounce")


async def test_exim_hears_that_its_report_was_taken_though_it_hangs_up_behind_the_dot(house: House) -> None:
    before = len(house.exim.log)
    sent = await house.send(house.exim.lenient, "nobody@exim.test")
    await house.heard(sent["nobody@exim.test"], EventKind.LATE_BOUNCE)
    async with asyncio.timeout(20):
        # The mail, and the report of it.
        while (log := house.exim.log[before:]).count("Completed") < 2:  # noqa: ASYNC110 - another program's log
            await asyncio.sleep(0.05)
    # A star is on lines of mail that went over a connection which had carried another.
    assert 'R=back T=smtp H=127.0.0.1 [127.0.0.1] C="250 2.0.0 OK"' in log.replace("]* C=", "] C=")
    assert "closed connection" not in log


REFUSED = {
    "nobody@exim.test": ("hard", "no_such_mailbox", "550 Unrouteable address"),
    "closed@exim.test": ("hard", "no_such_mailbox", "550 This account was closed by the administrator"),
    "x@elsewhere.test": ("blocked", "relaying", "550 relay not permitted"),
    "listed@exim.test": ("blocked", "reputation", "550 Rejected because 127.0.0.1 is in a black list at zen.spamhaus.org"),
    "prohibited@exim.test": ("blocked", "reputation", "550 Administrative prohibition"),
}  # fmt: skip


async def test_what_exim_refuses_at_once_is_read_as_what_it_is(house: House) -> None:
    sent = await house.send(house.exim.strict, *REFUSED, "greylisted@exim.test")
    spam = await house.send(house.exim.strict, "anna@exim.test", content=CONTENT.replace(b"hello", b"viagra"))
    expected = REFUSED | {"anna@exim.test": ("blocked", "content", "550 This message scored 12.3 spam points")}
    for address, (bounce_class, reason, words) in expected.items():
        said = await house.heard((sent | spam)[address], EventKind.BOUNCED)
        assert (said["class"], said["class_reason"]) == (bounce_class, reason), said
        assert words in said["reason"]
    assert await house.state(sent["greylisted@exim.test"]) is State.WAITING
    hard = [address for address, (bounce_class, _, _) in REFUSED.items() if bounce_class == "hard"]
    assert await house.suppressed() == dict.fromkeys(hard, "everything hard_bounce")
