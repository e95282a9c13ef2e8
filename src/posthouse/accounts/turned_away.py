"""Who was turned away at a door: noted away from the answer, so that it tells nobody by its time whether an account exists.

A note that gets lost costs nothing: what does not fit into the room for it, or meets no database, is counted in the metrics alone.
"""

import asyncio

from posthouse.accounts import login_failures, tokens
from posthouse.accounts.grants import Claim
from posthouse.accounts.login_attempts import Attempt, Collected, LoginDoor, Tally, quarter_of, sort_out
from posthouse.model import limits
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process


class TurnedAway:
    """One per process. Every refusal is noted alike; whether it names anybody is looked up later."""

    def __init__(self, process: Process) -> None:
        self._pool, self._clock, self._log = process.pool, process.clock, process.log
        self._collected = Collected()
        self._writing: asyncio.Task[None] | None = None
        self._refused = process.metrics.counter(
            "logins_refused_total",
            "Logins and keys that were refused, by door and whether they name anybody",
            ("door", "account"),
        )
        self._lost = process.metrics.counter(
            "login_failures_lost_total", "Login failures that were not kept: there was no room for them, or no database"
        )

    def from_pages(self, email: str, remote_ip: str) -> None:
        """A password was wrong; the address is as `users.normal` has it."""
        if email and email.isprintable() and len(email) <= limits.ADDRESS_OCTETS:
            self._note(LoginDoor.PAGES, email, b"", remote_ip)
        else:
            self._nameless(LoginDoor.PAGES)

    def with_link(self, token_hash: bytes, remote_ip: str) -> None:
        """A link was no good."""
        self._note(LoginDoor.PAGES, "", token_hash, remote_ip)

    def with_secret(self, door: LoginDoor, claim: Claim | None, shown: str, remote_ip: str) -> None:
        """A key (`shown`), or a user name with its password, was refused. None: it cannot name anybody."""
        if claim is None:
            self._nameless(door)
        else:
            self._note(door, claim.username or tokens.hint_of(shown), claim.secret_hash, remote_ip)

    async def close(self) -> None:
        """Wait until everything noted is written, or cannot be."""
        if self._writing is not None:
            await self._writing

    def _note(self, door: LoginDoor, account: str, proof: bytes, remote_ip: str) -> None:
        now = self._clock.now()
        if not self._collected.add(Attempt(door, account, proof, remote_ip, quarter_of(now)), now):
            self._lost.inc()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="note who was turned away")

    def _nameless(self, door: LoginDoor) -> None:
        self._refused.labels(door, "unknown").inc()

    async def _write(self) -> None:
        while self._collected:
            taken = self._collected.take()
            try:
                await self._settle(taken)
            except DATABASE_GONE:
                self._lose(taken)
            except Exception:  # noqa: BLE001 - whatever it is, it belongs to nobody who waits
                self._log.exception("login_failures.failed")
                self._lose(taken)
            if self._collected:  # somebody tries in earnest: what comes within a moment is written together
                await asyncio.sleep(limits.LOGIN_FAILURES_APART_S)

    def _lose(self, taken: dict[Attempt, Tally]) -> None:
        self._lost.inc(sum(tally.attempts for tally in taken.values()))

    async def _settle(self, taken: dict[Attempt, Tally]) -> None:
        outcome = sort_out(taken, await login_failures.named(self._pool, taken))
        for (door, account), attempts in outcome.attempts.items():
            self._refused.labels(door, account).inc(attempts)
        now = self._clock.now()
        for workspace_id, failures in outcome.failures.items():
            self._lost.inc(await login_failures.keep(self._pool, workspace_id, failures, now))
