"""Where receivers may send reports about a workspace's domains by mail."""

from uuid import UUID

from posthouse.runtime.process import Process
from posthouse.wire import verp
from posthouse.wire.verp import Purpose


def of(process: Process, workspace_number: int, workspace_id: UUID) -> str:
    """An address that nobody can guess, the same for all domains of the workspace."""
    secret = process.vault.derive("return-path")
    local = verp.encode(Purpose.REPORT, workspace_number, workspace_id, secret)
    return f"{local}@{process.settings.bounce_domain.lower()}"
