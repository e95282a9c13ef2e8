"""A change of who may send: one transaction with one author, which always leaves an audit entry."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.accounts import audit
from posthouse.runtime.ids import Ids
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process
from posthouse.runtime.vault import Vault


@dataclass(frozen=True, slots=True)
class Change:
    """What every function that changes something is given; only `making` makes one.

    `operator` marks the person at the machine itself, who may also change people that belong to several workspaces.
    """

    connection: Connection
    workspace_id: UUID
    actor: str
    now: datetime
    ids: Ids
    vault: Vault
    operator: bool = False

    async def record(self, action: str, subject: str, **detail: object) -> None:
        """Append to the audit log and let every process know. The last step of a change that was made."""
        await audit.record(self.connection, self.workspace_id, self.actor, action, subject, detail, self.now)


@contextlib.asynccontextmanager
async def making(process: Process, workspace_id: UUID, actor: str, *, operator: bool = False) -> AsyncIterator[Change]:
    """Committed at the end of the block, undone when an exception leaves it."""
    async with transaction(process.pool) as connection:
        yield Change(connection, workspace_id, actor, process.clock.now(), process.ids, process.vault, operator)
    process.changed()
