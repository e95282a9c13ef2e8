"""A workspace with mail going in by the door, and the role that tells consumers of it, in one process for tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

from posthouse.accounts import changes
from posthouse.ledger import events
from posthouse.ledger.events import Event
from posthouse.model.mail import Accepted
from posthouse.model.words import EventKind
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process
from posthouse.runtime.reach import networks
from posthouse.webhooks import deliveries, endpoints, host
from posthouse.webhooks.deliveries import Attempt, Delivery
from posthouse.webhooks.endpoints import Made, Wish
from tests.corridor import Corridor, open_corridor

LOOPBACK = {"allowed_networks": ("127.0.0.0/8",)}


@dataclass(slots=True)
class Hooks:
    """`process` is the role's; every row of `workspace_id`."""

    corridor: Corridor
    process: Process

    @property
    def workspace_id(self) -> UUID:
        return self.corridor.submitter.workspace_id

    async def add(self, url: str, *kinds: str, workspace_id: UUID | None = None) -> Made:
        """An endpoint."""
        allowed = networks(self.process.settings.webhooks.allowed_networks)
        async with changes.making(self.process, workspace_id or self.workspace_id, "user:ann") as change:
            made = await endpoints.add(change, Wish(url, "", kinds), allowed)
        assert isinstance(made, Made), made
        return made

    async def endpoints(self) -> list[Made]:
        """Those of the workspace; their secrets nobody has any more."""
        return [Made(each, "") for each in await endpoints.listing(self.process.pool, self.workspace_id)]

    async def send(self, count: int = 1, **changes: Any) -> list[Accepted]:
        """Messages accepted by the door, each with its event."""
        return [await self.corridor.send(f"bob{number}@there.test", **changes) for number in range(count)]

    async def happened(self, accepted: Accepted, *kinds: EventKind, **data: object) -> list[UUID]:
        """Events of a message's first recipient, each committed by itself as time goes by."""
        ids = []
        for kind in kinds:
            event_id, now = self.process.ids.new(), self.process.clock.now()
            recipient_id = accepted.recipients[0].recipient_id
            event = Event(self.workspace_id, event_id, now, accepted.message_id, recipient_id, kind, data)
            async with transaction(self.process.pool) as connection:
                await events.append(connection, [event])
            ids.append(event_id)
        return ids

    async def deliveries(self, made: Made) -> list[Delivery]:
        """Oldest first."""
        async with self.process.pool.acquire() as connection:
            found = await deliveries.listing(
                connection, self.workspace_id, made.endpoint.endpoint_id, None, None, 1_000
            )
        return found[::-1]

    async def attempts(self, made: Made, event_id: UUID) -> list[Attempt]:
        async with self.process.pool.acquire() as connection:
            place = connection, self.workspace_id, made.endpoint.endpoint_id
            return (await deliveries.attempts(*place, [event_id]))[event_id]

    async def until(self, made: Made, states: Sequence[str], patience_s: float = 30) -> list[Delivery]:
        """The deliveries, once their states are these."""
        return await self.seen(made, lambda found: [each.state for each in found] == list(states), patience_s)

    async def seen(self, made: Made, holds: Callable[[list[Delivery]], bool], patience_s: float = 30) -> list[Delivery]:
        """The deliveries, once this holds of them."""
        deadline = asyncio.get_running_loop().time() + patience_s
        while not holds(found := await self.deliveries(made)):
            assert asyncio.get_running_loop().time() < deadline, found
            await asyncio.sleep(0.02)
        return found

    @contextlib.asynccontextmanager
    async def serving(self, *, ca_file: str | None = None, **replaced: Any) -> AsyncIterator[Process]:
        """The role, running."""
        process = replace(self.process, stopping=asyncio.Event(), **replaced)
        task = asyncio.create_task(host.serve(process, Random(1), ca_file=ca_file))
        try:
            yield process
        finally:
            process.stopping.set()
            await task


@contextlib.asynccontextmanager
async def open_hooks(make_process: Callable[..., Process], **sections: Any) -> AsyncIterator[Hooks]:
    """The world on the test's database. Consumers on loopback may be told, unless the settings say otherwise."""
    async with open_corridor(make_process) as corridor:
        yield Hooks(corridor, make_process("webhooks", **({"webhooks": LOOPBACK} | sections)))
