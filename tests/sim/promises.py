"""What must hold at every step, and who sees that it does.

`Promises` is told of every commit (by reading the queue right after it, before anything else happens) and of every mail a receiver
is offered. It keeps nothing to itself: the first broken promise ends the simulation.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from posthouse.model.words import FINAL_EVENTS, FINAL_STATES
from tests.sim.loop import Owner, SimLoop
from tests.sim.receivers import Dialogue

LATE_S: Final = (
    3.0  # how long ready mail may be overtaken by mail of lower priority at the same site while mail flows there
)
OVERTAKEN: Final = 4  # what may already be in hand or on its way when more urgent mail becomes ready
GAP_S: Final = 1.0  # a site at which nothing begins for so long does not flow
SUPPRESSION_S: Final = 1.0  # how much earlier than dialling the last look at the suppressions may be
PROMISED: Final = frozenset({"waiting", "ready", "held", "claimed"})
WATCHED: Final = frozenset({"outbox", "events", "attempts", "messages", "bodies"})

SNAPSHOT: Final = """
SELECT o.recipient_id, o.address, o.state, o.claimed_by, o.priority, o.pool, o.domain, o.attempts, o.expires_at,
       coalesce(e.finals, 0) AS finals, coalesce(e.unknowns, 0) AS unknowns, coalesce(e.kinds, '{}') AS kinds
FROM outbox o LEFT JOIN (
    SELECT recipient_id, count(*) FILTER (WHERE kind = ANY($1)) AS finals, count(*) FILTER (WHERE kind = 'unknown') AS unknowns,
           array_agg(kind ORDER BY event_id) AS kinds
    FROM events GROUP BY recipient_id) e USING (recipient_id)
"""


class Actor(Owner):
    """A simulated process, as the promises see it."""

    troubled_until = -1.0  # it was stopped or cut off: its lease may be gone without its knowing
    begun_at = 0.0


@dataclass(slots=True)
class Mail:
    """One recipient's mail: what was asked, what was promised, and what receivers saw of it."""

    address: str
    site: str
    acknowledged: bool = False
    suppressed_at: float | None = None
    copies: list[float] = field(default_factory=list)
    refused_for_good: bool = False
    return_paths: set[str] = field(default_factory=set)
    begun: int = 0
    ready_since: float | None = None
    overtaken: int = 0  # while it was ready, by mail of lower priority for the same site


class Promises:
    """The witness of one simulation."""

    def __init__(
        self, loop: SimLoop, trace: Callable[[str], None], connection: Any, limits: Callable[[str], int]
    ) -> None:
        self._loop = loop
        self._trace = trace
        self._connection = connection
        self._limits = limits
        self.mails: dict[str, Mail] = {}
        self.rows: dict[UUID, Any] = {}
        self._by_address: dict[str, Any] = {}
        self._actors: dict[UUID, Actor] = {}  # by worker id, as seen on the wire
        self._dialogues: dict[str, list[Dialogue]] = defaultdict(list)  # by site
        self._flows: dict[tuple[str, str], tuple[float, float]] = {}  # by pool and site: since when, and when last
        self._ways: set[tuple[Actor, str]] = set()  # who has found the way to which domain
        self.broken: list[str] = []
        self.checks = 0

    def fail(self, sentence: str) -> None:
        """A promise is broken."""
        self._trace(f"BROKEN {sentence}")
        self.broken.append(f"at {self._loop.now:.3f}s: {sentence}")

    @property
    def unfinished(self) -> list[str]:
        """Mails that were acknowledged and are not final."""
        return [
            mail.address
            for mail in self.mails.values()
            if mail.acknowledged and self._state(mail.address) not in FINAL_STATES
        ]

    @property
    def busy(self) -> bool:
        """Whether any row, acknowledged or not, is not final."""
        return any(row["state"] in PROMISED for row in self.rows.values())

    def states(self) -> dict[str, int]:
        """How many rows are in each state."""
        found: dict[str, int] = defaultdict(int)
        for row in self.rows.values():
            found[row["state"]] += 1
        return dict(sorted(found.items()))

    # --- after every commit

    async def after_commit(self, changed: set[str]) -> None:
        """Looks at the whole queue as it is now."""
        if not changed & WATCHED:
            return
        self.checks += 1
        before = self.rows
        rows = await self._connection.fetch(SNAPSHOT, [str(kind) for kind in FINAL_EVENTS])
        self.rows = {row["recipient_id"]: row for row in rows}
        self._by_address = {row["address"]: row for row in rows}
        if len(self._by_address) != len(self.rows):
            self.fail("one mail was promised twice")
        for gone in before.keys() - self.rows.keys():
            self.fail(f"{before[gone]['address']} disappeared")
        for identity, row in self.rows.items():
            self._check_row(before.get(identity), row)

    def _check_row(self, before: Any, row: Any) -> None:
        state, address = row["state"], row["address"]
        if row["finals"] != (state in FINAL_STATES):
            self.fail(f"{address} is {state} and has {row['finals']} final events: {row['kinds']}")
        self._note_ready(address, state)
        if before is None or (before["state"], before["claimed_by"]) == (state, row["claimed_by"]):
            return
        was = before["state"]
        if was in FINAL_STATES:
            self.fail(f"{address} was {was} and is {state}")
        if was == state == "claimed":
            self.fail(f"{address} was taken out of another worker's hands")
        if was == "claimed" and state in {"ready", "waiting"} and row["unknowns"] > before["unknowns"]:
            self._check_recovery(before, row)
        if state == "delivered" and not self.mails[address].copies:
            self.fail(f"{address} is delivered and no receiver has it")
        if state == "bounced" and not self.mails[address].refused_for_good:
            self.fail(f"{address} is bounced and no receiver refused it for good")

    def _check_recovery(self, before: Any, row: Any) -> None:
        """Only the dead are recovered from: a healthy worker's mail would go out twice."""
        actor = self._actors.get(before["claimed_by"])
        mail = self.mails[row["address"]]
        lost_on_the_wire = any(dialogue.lost == row["address"] for dialogue in self._dialogues[mail.site])
        if actor is not None and self._healthy(actor) and not lost_on_the_wire:
            self.fail(f"{row['address']} was taken from {actor}, which is alive and well")

    def _note_ready(self, address: str, state: str) -> None:
        mail = self.mails[address]
        if state != "ready":
            mail.ready_since, mail.overtaken = None, 0
        elif mail.ready_since is None:
            mail.ready_since = self._loop.now

    # --- at the receivers

    def began(self, dialogue: Dialogue, address: str, mail_from: str) -> None:
        """A mail is offered."""
        mail, row = self.mails[address], self._by_address.get(address)
        actor = dialogue.owner
        assert isinstance(actor, Actor)
        self._trace(f"smtp {actor.name} -> {dialogue.receiver.name} {address}")
        mail.begun += 1
        self._ways.add((actor, _domain(address)))
        mail.return_paths.add(mail_from)
        if row is None:
            self.fail(f"{address} is on the wire and was never promised")
            return
        if len(mail.return_paths) > 1:
            self.fail(f"{address} came from several return paths")
        self._check_connections(dialogue, row["pool"])
        if self._healthy(actor):
            self._check_claim(actor, row)
            self._check_suppression(dialogue, mail)
            self._check_alone(dialogue, address)
            self._check_order(dialogue, row)

    def _healthy(self, actor: Actor) -> bool:
        return actor.alive and not actor.frozen and self._loop.now > actor.troubled_until

    def _check_claim(self, actor: Actor, row: Any) -> None:
        if row["state"] != "claimed":
            self.fail(f"{row['address']} is on the wire while it is {row['state']}")
            return
        known = self._actors.setdefault(row["claimed_by"], actor)
        if known is not actor:
            self.fail(f"{row['address']} is claimed by {known} and sent by {actor}")

    def _check_suppression(self, dialogue: Dialogue, mail: Mail) -> None:
        dialled_at = dialogue.dialled_at if dialogue.mails == 1 else self._loop.now
        if mail.suppressed_at is not None and dialled_at > mail.suppressed_at + SUPPRESSION_S:
            self.fail(f"{mail.address} was dialled {dialled_at - mail.suppressed_at:.1f} s after it was suppressed")

    def _check_alone(self, dialogue: Dialogue, address: str) -> None:
        for other in self._dialogues[self.mails[address].site]:
            rival = other.owner
            assert isinstance(rival, Actor)
            if other is not dialogue and other.is_open and other.address == address and self._healthy(rival):
                self.fail(f"{address} is on two connections at once")

    def _check_connections(self, dialogue: Dialogue, pool: str) -> None:
        """The connections of one pool at one site, over all processes."""
        if dialogue.pool not in {"", pool}:
            self.fail(f"a connection of the pool {dialogue.pool} carries mail of {pool}")
        site = self._dialogues[dialogue.receiver.site]
        if not dialogue.pool:
            site[:] = [other for other in site if other.is_open or other.lost]
            site.append(dialogue)
        dialogue.pool = pool
        rivals = [other for other in site if other.is_open and other.pool == pool and other.source == dialogue.source]
        if not all(isinstance(other.owner, Actor) and self._healthy(other.owner) for other in rivals):
            return
        if len(rivals) > self._limits(pool):
            names = sorted({other.owner.name for other in rivals})
            self.fail(
                f"{len(rivals)} connections of {pool} at {dialogue.receiver.site} from {', '.join(names)}: the limit is {self._limits(pool)}"
            )

    def _check_order(self, dialogue: Dialogue, row: Any) -> None:
        """Nothing more urgent is left lying while this goes."""
        actor, now = dialogue.owner, self._loop.now
        assert isinstance(actor, Actor)
        flows_since = self._flow(row["pool"], dialogue.receiver.site)
        if now - flows_since < LATE_S or now - actor.begun_at < LATE_S or dialogue.mails == 1:
            return  # it had no time to look around, or was chosen before the connection was made
        for other in self.rows.values():
            mail = self.mails[other["address"]]
            if mail.ready_since is None or other["priority"] <= row["priority"]:
                continue
            if (other["pool"], mail.site) != (row["pool"], dialogue.receiver.site):
                continue
            if (actor, _domain(other["address"])) not in self._ways:
                continue  # the DNS may not have answered yet
            mail.overtaken += 1
            late_s = now - max(mail.ready_since, flows_since)
            # While the next claim is under way a session takes what there is: now and then one, never one after the other.
            if late_s > LATE_S and mail.overtaken > OVERTAKEN + late_s / LATE_S:
                self.fail(
                    f"{row['address']} ({row['priority']}) goes while {other['address']} ({other['priority']})"
                    f" could have gone for {late_s:.1f} s and was overtaken {mail.overtaken} times"
                )

    def _flow(self, pool: str, site: str) -> float:
        """Since when mail has been flowing there without a gap."""
        now = self._loop.now
        since, last = self._flows.get((pool, site), (now, now))
        since = now if now - last > GAP_S else since
        self._flows[pool, site] = since, now
        return since

    def taken(self, dialogue: Dialogue, address: str) -> None:
        """A receiver has it."""
        self._trace(f"smtp {dialogue.receiver.name} has {address}")
        self.mails[address].copies.append(self._loop.now)

    def refused(self, dialogue: Dialogue, address: str, *, forever: bool) -> None:
        """A receiver does not want it."""
        self.mails[address].refused_for_good |= forever

    # --- in the end

    def check_end(self) -> None:
        """When everything has settled."""
        for mail in self.mails.values():
            row = self._by_address.get(mail.address)
            if row is None:
                if mail.acknowledged:
                    self.fail(f"{mail.address} was acknowledged and is not there")
                continue
            if row["state"] not in FINAL_STATES:
                self.fail(f"{mail.address} is still {row['state']}: it starves")
            if len(mail.copies) > 1 and not row["unknowns"]:
                self.fail(f"{mail.address} arrived {len(mail.copies)} times and nobody said so")
            if mail.copies and row["state"] != "delivered" and not row["unknowns"]:
                self.fail(f"{mail.address} arrived and is shown as {row['state']}")

    def _state(self, address: str) -> str:
        row = self._by_address.get(address)
        return row["state"] if row is not None else ""


def _domain(address: str) -> str:
    return address.partition("@")[2]
