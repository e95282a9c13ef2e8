"""Appends finished attempts with what the receiver said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.model.outcome import Outcome, Stage
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one recipient. `signature` holds the DKIM-Signature fields exactly as sent, so raw = signature + content."""

    workspace_id: UUID
    attempt_id: UUID
    recipient_id: UUID
    message_id: UUID
    number: int
    worker_id: UUID
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    stage: Stage
    code: int | None
    enhanced: str | None
    text: str
    remote: str
    tls: str
    signature: bytes
    transcript: str


async def append(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Writes the attempts of one commit."""
    if not attempts:
        return
    await connection.execute(
        SQL.append_attempts,
        [a.workspace_id for a in attempts],
        [a.attempt_id for a in attempts],
        [a.recipient_id for a in attempts],
        [a.message_id for a in attempts],
        [a.number for a in attempts],
        [a.worker_id for a in attempts],
        [a.started_at for a in attempts],
        [a.ended_at for a in attempts],
        [a.outcome for a in attempts],
        [a.stage for a in attempts],
        [a.code for a in attempts],
        [a.enhanced for a in attempts],
        [a.text for a in attempts],
        [a.remote for a in attempts],
        [a.tls for a in attempts],
        [a.signature for a in attempts],
        [a.transcript for a in attempts],
    )
