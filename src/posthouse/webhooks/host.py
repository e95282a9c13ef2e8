"""The role: reads the ledger for every workspace that has endpoints, and keeps a lane for each endpoint.

    Desk.look          who is in service (every two seconds) -> what has happened (`fanout`) -> what is due -> wake those lanes
    Desk.tidy          what nobody will send any more is ended, what is old is deleted
    Desk.upload        the next part of each export that is to be posted

Any number of these processes may run: claims skip what another has claimed, and a workspace is read by one of them at a time.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random, SystemRandom
from typing import Final
from uuid import UUID

from posthouse.model import limits
from posthouse.runtime.dns import Resolver
from posthouse.runtime.http_post import HttpPoster
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process
from posthouse.runtime.reach import Reach, networks
from posthouse.webhooks import deliveries, endpoints, lane, retention, uploads
from posthouse.webhooks.endpoints import InService
from posthouse.webhooks.fanout import Reading
from posthouse.webhooks.lane import Lane, World

_LOOK_S: Final = 0.5
_RELOAD_S: Final = 2.0
_TIDY_S: Final = 60.0
_UPLOAD_S: Final = 1.0
_DRAIN_S: Final = limits.DRAIN_S - 5.0


async def main(process: Process) -> None:
    """Sends until the process stops."""
    await serve(process, SystemRandom())


async def serve(process: Process, random: Random, *, ca_file: str | None = None) -> None:
    """The same with randomness, and an authority, of the caller's."""
    allowed = networks(process.settings.webhooks.allowed_networks)
    resolver = Resolver(process.settings.delivery.resolvers, clock=process.clock)
    poster = HttpPoster(resolver, Reach(allowed), ca_file=ca_file)
    desk = Desk(process, poster, random)
    process.ready()
    try:
        with contextlib.suppress(*DATABASE_GONE):  # before anything is deleted, the cursor has passed what it can
            await desk.look()
        await asyncio.gather(
            _every(process, _LOOK_S, desk.look),
            _every(process, _TIDY_S, desk.tidy),
            _every(process, _UPLOAD_S, desk.upload),
        )
        await desk.close()
    finally:
        poster.close()


async def _every(process: Process, period_s: float, do: Callable[[], Awaitable[None]]) -> None:
    while not process.stopping.is_set():
        try:
            await do()
        except DATABASE_GONE as error:
            process.log.warning("webhooks.wait", round=do.__name__, error=str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(period_s):
                await process.stopping.wait()


class Desk:
    """The readings and lanes of one process."""

    def __init__(self, process: Process, poster: HttpPoster, random: Random) -> None:
        self._process = process
        self._readings: dict[UUID, Reading] = {}
        self._lanes: dict[UUID, Lane] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._reload_at = 0.0
        allowed = networks(process.settings.webhooks.allowed_networks)
        tries = process.metrics.counter("webhook_tries_total", "Posts to webhooks, by outcome", ("outcome",))
        self._world = World(process, poster, allowed, random, self._busy, tries)

    async def look(self) -> None:
        """One round."""
        now = self._process.clock.monotonic()
        if now >= self._reload_at:
            await self._reload()
            self._reload_at = now + _RELOAD_S
        for reading in list(self._readings.values()):
            for endpoint_id in await reading.look():
                self._wake(endpoint_id)
        if self._lanes:
            async with self._process.pool.acquire() as connection:
                due = await deliveries.due(connection, self._process.clock.now())
            for _, endpoint_id in due:
                self._wake(endpoint_id)

    async def tidy(self) -> None:
        """Ends what has no hope, deletes what is old."""
        async with self._process.pool.acquire() as connection:
            in_service = await endpoints.in_service(connection)
        await retention.end_hopeless(self._process, in_service)
        await retention.drop_old(self._process, in_service)

    async def upload(self) -> None:
        """Posts what is due of exports that name a webhook."""
        await uploads.post_due(self._world)

    async def close(self) -> None:
        """Lets what is under way end."""
        leaving = [lane.closed(each, _DRAIN_S) for each in self._lanes.values()]
        await asyncio.gather(*leaving, *self._leaving)

    def _busy(self) -> int:
        return sum(each.is_busy for each in self._lanes.values())

    def _wake(self, endpoint_id: UUID) -> None:
        if found := self._lanes.get(endpoint_id):
            found.wake()

    async def _reload(self) -> None:
        async with self._process.pool.acquire() as connection:
            found = await endpoints.in_service(connection)
        by_workspace: dict[UUID, list[InService]] = defaultdict(list)
        for each in found:
            by_workspace[each.workspace_id].append(each)
            self._serve(each)
        self._leave(self._lanes.keys() - {each.endpoint_id for each in found})
        for workspace_id, hearers in by_workspace.items():
            if workspace_id in self._readings:
                self._readings[workspace_id].serve(hearers)
            else:
                self._readings[workspace_id] = Reading(self._process, workspace_id, hearers)
        for workspace_id in self._readings.keys() - by_workspace.keys():
            del self._readings[workspace_id]

    def _serve(self, endpoint: InService) -> None:
        known = self._lanes.get(endpoint.endpoint_id)
        if known and not known.is_off:
            known.endpoint = endpoint
            return
        if known:
            self._leave({endpoint.endpoint_id})
        self._lanes[endpoint.endpoint_id] = Lane(self._world, endpoint)

    def _leave(self, leaving: set[UUID]) -> None:
        for endpoint_id in leaving:
            task = asyncio.create_task(lane.closed(self._lanes.pop(endpoint_id), _DRAIN_S))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
