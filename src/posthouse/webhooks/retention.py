"""Ends deliveries that nobody will send any more, and deletes what has been kept long enough."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from posthouse.model import limits
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process
from posthouse.webhooks import deliveries, endpoints, news
from posthouse.webhooks.endpoints import InService

_ALL: Final = UUID(int=2**128 - 1)
_OFF: Final = "The endpoint is switched off."


async def end_hopeless(process: Process, in_service: Sequence[InService]) -> None:
    """pending -> failed for what waits for an endpoint that is off, or has answered nothing for as long as is retried."""
    now = process.clock.now()
    before = now - timedelta(seconds=limits.WEBHOOK_RETRIED_S)
    for each in in_service:
        if each.failing_since is None or each.failing_since > before:
            continue
        ended = limits.WEBHOOK_TIDIED
        while ended == limits.WEBHOOK_TIDIED:
            async with transaction(process.pool) as connection:
                place = connection, each.workspace_id, each.endpoint_id
                ended = await deliveries.give_up_untried(*place, before, now, limits.WEBHOOK_TIDIED)
    for off in await _out_of_service(process):
        ended = limits.WEBHOOK_TIDIED
        while ended == limits.WEBHOOK_TIDIED:
            async with transaction(process.pool) as connection:
                place = connection, off.workspace_id, off.endpoint_id
                ended = await deliveries.fail_pending(*place, now, _OFF, limits.WEBHOOK_TIDIED)


async def drop_old(process: Process, in_service: Sequence[InService]) -> None:
    """Deletes what is older than it is kept, and all there is of endpoints that were deleted."""
    horizon = uuid7_floor(process.clock.now() - timedelta(seconds=limits.WEBHOOK_KEPT_S))
    off = await _out_of_service(process)
    places = [(each.workspace_id, each.endpoint_id, horizon) for each in in_service]
    places += [(each.workspace_id, each.endpoint_id, _ALL if each.deleted else horizon) for each in off]
    for workspace_id, endpoint_id, before in places:
        more = True
        while more:
            async with transaction(process.pool) as connection:
                more = await deliveries.drop(connection, workspace_id, endpoint_id, before, limits.WEBHOOK_TIDIED)
    for workspace_id in {workspace_id for workspace_id, _, _ in places}:
        async with process.pool.acquire() as connection:
            await news.drop(connection, workspace_id, horizon)
    for each in off:
        if each.deleted:
            async with process.pool.acquire() as connection:
                await endpoints.forget(connection, each.workspace_id, each.endpoint_id)


async def _out_of_service(process: Process) -> list[endpoints.Out]:
    async with process.pool.acquire() as connection:
        return await endpoints.out_of_service(connection)
