"""Who uses the product in a simulation: clients that submit mail, and operators who suppress, hold, cancel and hurry it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.intake import operate
from posthouse.intake.accept import Door, Idempotency, KeyConflict
from posthouse.ledger import suppression
from posthouse.model.mail import Accepted, Recipient, Refused, Submission, Submitter
from posthouse.model.words import Kind, MailClass, Scope, Source
from posthouse.outbox.operator import ACTIONS, RELEASE, Selection
from posthouse.runtime.postgres import DATABASE_GONE, transaction
from posthouse.runtime.process import Process
from tests.sim.processes import Environment, Seat, in_name_of
from tests.sim.promises import Promises
from tests.sim.scenario import Plan, Scenario

WORKSPACES: Final = tuple(UUID(int=0x01890000_0000_7000_8000_000000000000 + number) for number in (1, 2))


class People:
    """All of them come through one process that is what the roles web and submission are between socket and answer."""

    def __init__(
        self, environment: Environment, scenario: Scenario, promises: Promises, trace: Callable[[str], None]
    ) -> None:
        self.seat = Seat(environment, "door", "web", self._be_door, scenario.skews[-1])
        self._loop = environment.loop
        self._scenario = scenario
        self._promises = promises
        self._trace = trace
        self._door: Door | None = None

    def parts(self) -> list[Any]:
        """Everything they will do, as coroutines."""
        return [
            *(self._submit(number, plan) for number, plan in enumerate(self._scenario.plans)),
            *(self._suppress(*each) for each in self._scenario.suppressions),
            *(self._act(*each) for each in self._scenario.actions),
        ]

    async def _be_door(self, process: Process) -> None:
        async with Directory.open(process) as directory:
            self._door = Door.open(process, directory)
            process.ready()
            await process.stopping.wait()
            await self._door.close()

    # --- clients

    async def _submit(self, number: int, plan: Plan) -> None:
        await asyncio.sleep(plan.at)
        for again in range(plan.retries + 1):
            seat = self.seat
            if seat.is_up and self._door is not None:
                answer = in_name_of(seat, self._accept(seat, self._door, number, plan))
                await asyncio.wait([answer], timeout=60.0)
                if answer.done() and not answer.cancelled() and answer.result():
                    self._trace(f"client {number} has an answer")
                    for recipient in plan.recipients:
                        self._promises.mails[recipient].acknowledged = True
                    return
            if again < plan.retries:
                await asyncio.sleep(5.0)

    async def _accept(self, seat: Seat, door: Door, number: int, plan: Plan) -> bool:
        """Whether the mail was promised."""
        assert seat.process is not None
        submission = _submission(number, plan, seat.process)
        key = Idempotency(f"key {number}", f"request {number}".encode(), lambda _: (202, b"")) if plan.retries else None
        try:
            answer = await door.accept(_submitter(plan.workspace), [submission], key)
        except DATABASE_GONE:
            return False
        if isinstance(answer, KeyConflict) or (isinstance(answer, list) and isinstance(answer[0], Refused)):
            self._promises.fail(f"client {number} was answered {answer}")
        return not isinstance(answer, list) or isinstance(answer[0], Accepted)

    # --- operators

    async def _suppress(self, at: float, address: str) -> None:
        await asyncio.sleep(at)
        seat = self.seat
        if seat.is_up:
            workspace = next(plan.workspace for plan in self._scenario.plans if address in plan.recipients)
            done = in_name_of(seat, self._add_suppression(seat, WORKSPACES[workspace], address))
            await asyncio.wait([done], timeout=30.0)
            if done.done() and not done.cancelled() and done.result():
                self._trace(f"{address} is suppressed")
                self._promises.mails[address].suppressed_at = self._loop.now

    async def _add_suppression(self, seat: Seat, workspace_id: UUID, address: str) -> bool:
        process = seat.process
        assert process is not None
        entry = suppression.Entry(suppression.EVERYTHING, "manual")
        try:
            async with transaction(process.pool) as connection:
                await suppression.add(connection, workspace_id, address, entry, None, "operator", process.clock.now())
        except DATABASE_GONE:
            return False
        return True

    async def _act(self, at: float, name: str, domain: str) -> None:
        """An operator holds, cancels or hurries a destination's mail, and lets go of what was held."""
        await asyncio.sleep(at)
        await self._operate(ACTIONS[name], domain)
        if name == "hold":
            await asyncio.sleep(5.0)
            for _ in range(60):
                if await self._operate(RELEASE, domain):
                    return
                await asyncio.sleep(2.0)

    async def _operate(self, action: Any, domain: str) -> bool:
        seat = self.seat
        if not seat.is_up:
            return False
        done = in_name_of(seat, self._apply(seat, action, domain))
        await asyncio.wait([done], timeout=30.0)
        return done.done() and not done.cancelled() and bool(done.result())

    async def _apply(self, seat: Seat, action: Any, domain: str) -> bool:
        assert seat.process is not None
        self._trace(f"operator {action.name} {domain}")
        try:
            for workspace_id in WORKSPACES:
                await operate.apply(seat.process, workspace_id, action, Selection(domain=domain), "operator")
        except DATABASE_GONE:
            return False
        return True


def _submitter(number: int) -> Submitter:
    return Submitter(
        workspace_id=WORKSPACES[number],
        workspace_number=number + 1,
        credential_id=UUID(int=7),
        credential_kind="api_key",
        name="simulation",
        scopes=frozenset({Scope.SEND}),
        any_domain=True,
        postal_address="1 Example Street",
    )


def _submission(number: int, plan: Plan, process: Process) -> Submission:
    now = process.clock.now()
    return Submission(
        source=Source.API,
        sender="ann@example.test",
        recipients=tuple(Recipient(address, Kind.TO) for address in plan.recipients),
        subject=f"mail {number}",
        message_id_header=f"<{number}@example.test>",
        content=f"From: ann@example.test\r\nSubject: mail {number}\r\n\r\nHello.\r\n..\r\n".encode(),
        mail_class=MailClass(plan.mail_class),
        priority=plan.priority,
        send_at=now + timedelta(seconds=plan.send_after_s) if plan.send_after_s else None,
        expires_at=now + timedelta(seconds=plan.lifetime_s) if plan.lifetime_s else None,
    )
