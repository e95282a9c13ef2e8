"""Remembers where domains' mail goes, so that the dispatcher never waits for DNS."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from posthouse.delivery.courier import Courier, NoRoute, Plan
from posthouse.runtime.clock import Clock

KEPT_S: Final = 60.0  # the resolver's own cache honours TTLs; this only spares asking it for every mail
REFUSED_S: Final = 5.0
MOST: Final = 20_000


class Routes:
    """The routes of this process. `found` is called when one that was asked for has become known."""

    def __init__(self, courier: Courier, clock: Clock, found: Callable[[], None]) -> None:
        self._courier = courier
        self._clock = clock
        self._found = found
        self._known: OrderedDict[str, tuple[float, Plan | NoRoute]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def known(self, domain: str) -> Plan | NoRoute | None:
        """The route to a domain, or None while it is being looked up."""
        entry = self._known.get(domain)
        if entry is not None and self._clock.monotonic() < entry[0]:
            return entry[1]
        if domain not in self._asking:
            task = asyncio.create_task(self._ask(domain), name=f"route {domain}")
            self._asking[domain] = task
            task.add_done_callback(lambda _: self._asking.pop(domain, None))
        return None

    async def _ask(self, domain: str) -> None:
        route = await self._courier.route(domain)
        kept_s = REFUSED_S if isinstance(route, NoRoute) else KEPT_S
        self._known[domain] = self._clock.monotonic() + kept_s, route
        self._known.move_to_end(domain)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        self._found()
