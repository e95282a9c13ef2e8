"""Opens a message's body: unseals and unpacks what the outbox keeps."""

from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.outbox import bodies, messages
from posthouse.runtime.process import Process
from posthouse.runtime.vault import key_id_of


async def content(process: Process, directory: Directory, workspace_id: UUID, message_id: UUID) -> bytes | None:
    """The MIME as accepted, without DKIM signatures; None when it is unknown or its retention has passed."""
    async with process.pool.acquire() as connection:
        found = await messages.stored_body(connection, workspace_id, message_id)
    return found and await unpacked(process, directory, workspace_id, message_id, *found)


async def unpacked(
    process: Process, directory: Directory, workspace_id: UUID, message_id: UUID, encoding: int, stored: bytes
) -> bytes:
    """The MIME from its stored form."""
    if encoding != bodies.SEALED:
        return bodies.unpack(encoding, stored, bytes)
    key = await directory.data_key(workspace_id, key_id_of(stored))
    place = bodies.place(workspace_id, message_id)
    return bodies.unpack(encoding, stored, lambda sealed: process.vault.open(key, sealed, place))
