"""Tells administrators who refuses the workspace's mail for its own sake: one alert for one provider, with its words and what to do.

A campaign may be refused ten thousand times in a minute, so a process says it once in a while. It takes back what it said when mail has
arrived at the provider again, long after the last refusal; what another process said stays until somebody has seen it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Level, Trouble
from posthouse.model.limits import BLOCKED_ALERTS
from posthouse.model.sentences import Sentence
from posthouse.runtime.postgres import Connection
from posthouse.runtime.process import Process

KIND: Final = "bounces.blocked"
_AGAIN_S: Final = 300.0
_OVER_S: Final = 3600.0
_QUOTED_CHARS: Final = 200
_TODO: Final = {
    "reputation": Sentence(
        "Look the sending addresses up on block lists, and send less and only to people who asked for it until it trusts you.",
        {},
    ),
    "authentication": Sentence("Check SPF, DKIM and DMARC of the sending domain under Domains.", {}),
    "sender_dns": Sentence("Check that the name of the sending server and its reverse DNS agree.", {}),
    "sender_rejected": Sentence("Check that the address mail is sent from exists and takes mail.", {}),
    "content": Sentence(
        "Read the message as a stranger would: links, attachments and wording are what was refused.", {}
    ),
    "virus": Sentence("Check the attachments and links of the message, and whose key sent it.", {}),
    "encryption": Sentence("Check the TLS settings of the receiver's domain.", {}),
    "relaying": Sentence(
        "The receiver's domain may lead to a server that does not serve it: tell its administrator.", {}
    ),
}
_OTHERWISE: Final = Sentence("Ask its postmaster, with these words, what has to change.", {})


@dataclass(frozen=True, slots=True)
class Blocked:
    """One refusal. `remote`: the host that spoke, "" when nobody knows; `said` its words, `reason` one word of the fixed list."""

    domain: str
    remote: str
    said: str
    reason: str


def provider(remote: str, domain: str) -> str:
    """Whom a host belongs to, as far as its name tells: thousands of domains have their mail with one."""
    labels = remote.rstrip(".").lower().split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or ":" in remote:
        return domain
    second_level = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3 if second_level else -2 :])


def trouble(refusal: Blocked) -> Trouble:
    """The alert about a refusal."""
    name = provider(refusal.remote, refusal.domain)
    said = " ".join(refusal.said.split())[:_QUOTED_CHARS] or Sentence("nothing more", {})
    sentence = Sentence(
        "{name} refuses mail of this workspace; to {domain} it said: {said}.",
        {"name": name, "domain": refusal.domain, "said": said},
    )
    todo = _TODO.get(refusal.reason, _OTHERWISE)
    return Trouble.of(KIND, name, Level.WARNING, (sentence, todo), f"/messages?state=bounced&domain={refusal.domain}")


class BlockedAlerts:
    """One per process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._refused: dict[tuple[UUID, str], tuple[float, float]] = {}  # when it was said, and when refused last

    async def note(self, connection: Connection, workspace_id: UUID, refusals: Sequence[Blocked], by: str) -> None:
        """In the transaction that records the refusals."""
        now = self._process.clock.monotonic()
        about = {provider(each.remote, each.domain): each for each in refusals}
        for name, refusal in sorted(about.items()):  # one lock order for all processes
            said_at, _ = self._refused.get((workspace_id, name), (now - _AGAIN_S, now))
            due = now - said_at >= _AGAIN_S and (
                (workspace_id, name) in self._refused or self._has_room(workspace_id, now)
            )
            if due:
                await alerts.report(
                    connection, workspace_id, trouble(refusal), self._process.ids, by, self._process.clock.now()
                )
                said_at = now
            if due or (workspace_id, name) in self._refused:
                self._refused[workspace_id, name] = (said_at, now)

    async def arrived(
        self, connection: Connection, workspace_id: UUID, at: Collection[tuple[str, str]], by: str
    ) -> None:
        """Mail has arrived at these hosts, for these domains. Costs nothing while nobody refuses."""
        if not self._refused:
            return
        now = self._process.clock.monotonic()
        for name in sorted({provider(remote, domain) for remote, domain in at}):
            refused = self._refused.get((workspace_id, name))
            if refused and now - refused[1] >= _OVER_S:
                del self._refused[workspace_id, name]
                await alerts.end(connection, workspace_id, KIND, name, by, self._process.clock.now())

    def _has_room(self, workspace_id: UUID, now: float) -> bool:
        recent = [
            key for key, (_, refused) in self._refused.items() if key[0] == workspace_id and now - refused < _OVER_S
        ]
        if len(recent) >= BLOCKED_ALERTS:
            return False
        if len(self._refused) >= 100 * BLOCKED_ALERTS:
            self._refused.clear()
        return True
