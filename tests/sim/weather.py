"""What goes wrong with machines, network and database while a simulation runs."""

import asyncio
from collections.abc import Sequence
from random import Random

from tests.sim.processes import Seat
from tests.sim.scenario import Trouble


class Weather:
    """Strikes the processes on these seats."""

    def __init__(self, seats: Sequence[Seat], random: Random) -> None:
        self._seats = seats
        self._random = random

    async def strike(self, trouble: Trouble) -> None:
        """One trouble from its beginning to its end."""
        await asyncio.sleep(trouble.at)
        seat = self._seats[trouble.victim % len(self._seats)]
        if trouble.kind == "postgres":
            await self._restart_postgres(trouble.lasts_s)
            return
        self._begin(trouble, seat)
        await asyncio.sleep(trouble.lasts_s)
        if trouble.kind in {"crash", "stop"}:
            while seat.actor.alive:  # noqa: ASYNC110 - it drains as long as it likes
                await asyncio.sleep(0.5)
            seat.start()
        seat.thaw()
        seat.heal()

    def _begin(self, trouble: Trouble, seat: Seat) -> None:
        linger_s = self._random.choice((0.0, 0.0, 2.0))
        match trouble.kind:
            case "crash":
                seat.crash(linger_s)
            case "stop":
                seat.stop()
            case "freeze":
                seat.freeze()
            case _:
                seat.cut_off(hangs=trouble.kind == "hang", linger_s=linger_s)

    async def _restart_postgres(self, lasts_s: float) -> None:
        for seat in self._seats:
            seat.cut_off(hangs=False, linger_s=0.0)
        await asyncio.sleep(lasts_s)
        for seat in self._seats:
            seat.heal()
