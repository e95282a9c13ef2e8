"""Makes a claimed mail ready for the wire: opens its body, signs it, and gives it its own return path."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.delivery.courier import Envelope
from posthouse.intake import contents
from posthouse.model.limits import HELD_BODY_OCTETS
from posthouse.model.words import Pool
from posthouse.outbox.claims import Claimed
from posthouse.runtime.process import Process
from posthouse.wire import dkim, verp
from posthouse.wire.addresses import is_ascii
from posthouse.wire.verp import Purpose

_CACHE: Final = 64  # signed messages kept for their other recipients: claims come in runs of the same message


@dataclass(frozen=True, slots=True)
class Signed:
    """A message as it goes over the wire: the DKIM-Signature fields, then the content."""

    signature: bytes
    content: bytes


class Preparer:
    """One per process; `secret` for return paths is derived from the key-encryption key."""

    def __init__(self, process: Process, directory: Directory) -> None:
        self._process = process
        self._directory = directory
        self._secret = process.vault.derive("return-path")
        self._signed: OrderedDict[tuple[UUID, Pool | None], Signed] = OrderedDict()

    async def prepare(self, mail: Claimed, pool: Pool | None = None) -> tuple[Envelope, bytes]:
        """The envelope for one recipient, signed with the keys of the pool it leaves by, and the signature fields in it."""
        signed = await self._sign(mail, pool)
        envelope = Envelope(
            mail_from=await self._return_path(mail),
            recipients=(mail.address,),
            content=(signed.signature, signed.content),
            needs_smtputf8=mail.message.smtputf8 or not is_ascii(mail.address),
        )
        return envelope, signed.signature

    async def _return_path(self, mail: Claimed) -> str:
        if mail.message.null_sender:
            return ""
        workspace = await self._directory.workspace(mail.workspace_id)
        local = verp.encode(Purpose.BOUNCE, workspace.number, mail.recipient_id, self._secret)
        return f"{local}@{self._process.settings.bounce_domain}"

    async def _sign(self, mail: Claimed, pool: Pool | None) -> Signed:
        message = mail.message
        if (known := self._signed.get((message.message_id, pool))) is not None:
            return known
        content = await self._content(mail)
        keys = await self._directory.signing_keys(mail.workspace_id, message.sender.rpartition("@")[2], pool)
        signed = Signed(dkim.sign(content, keys, self._process.clock.now()), content)
        if len(content) <= HELD_BODY_OCTETS:
            self._signed[message.message_id, pool] = signed
        if len(self._signed) > _CACHE:
            self._signed.popitem(last=False)
        return signed

    async def _content(self, mail: Claimed) -> bytes:
        message = mail.message
        if message.stored is not None:
            return await contents.unpacked(
                self._process, self._directory, mail.workspace_id, message.message_id, message.encoding, message.stored
            )
        content = await contents.content(self._process, self._directory, mail.workspace_id, message.message_id)
        assert content is not None, "retention removes no body that is still promised"
        return content
