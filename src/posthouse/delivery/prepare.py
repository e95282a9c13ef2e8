"""Makes a claimed mail ready for the wire: opens its body, signs it, and gives it its own return path."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.delivery.courier import Envelope
from posthouse.delivery.signing import Signing
from posthouse.intake import contents
from posthouse.model.limits import HELD_BODY_OCTETS
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass, Pool
from posthouse.outbox.claims import Claimed
from posthouse.runtime.process import Process
from posthouse.wire import dkim, headers, verp
from posthouse.wire.addresses import is_ascii
from posthouse.wire.dkim_keys import SigningKey
from posthouse.wire.verp import Purpose

_CACHE: Final = 64  # signed messages kept for their other recipients: claims come in runs of the same message


@dataclass(frozen=True, slots=True)
class Signed:
    """A message as it goes over the wire: the DKIM-Signature fields (and CFBL fields they cover), then the content."""

    signature: bytes
    content: bytes


class Preparer:
    """One per process; the secret of return paths is derived from the key-encryption key."""

    def __init__(self, process: Process, directory: Directory, signing: Signing) -> None:
        self._process = process
        self._directory = directory
        self._signing = signing
        self._secret = process.vault.derive("return-path")
        self._signed: OrderedDict[tuple[UUID, Pool | None], Signed] = OrderedDict()
        self._under_way: dict[tuple[UUID, Pool | None], asyncio.Event] = {}  # set when it is signed, or will not be

    async def prepare(self, mail: Claimed, pool: Pool | None = None) -> tuple[Envelope, bytes]:
        """The envelope for one recipient, signed with the keys of the pool it leaves by, and the signature fields in it."""
        signed = await self._sign(mail, pool)
        mail_from = await self._return_path(mail)
        envelope = Envelope(
            mail_from=mail_from,
            recipients=(mail.address,),
            content=(signed.signature, signed.content),
            needs_smtputf8=mail.message.smtputf8 or not is_ascii(mail.address) or not is_ascii(mail_from),
        )
        return envelope, signed.signature

    async def _return_path(self, mail: Claimed) -> str:
        if mail.message.null_sender:
            return ""
        workspace = await self._directory.workspace(mail.workspace_id)
        sender = mail.message.sender
        if not workspace.bounce_processing:
            return sender
        local = verp.encode(Purpose.BOUNCE, workspace.number, mail.recipient_id, self._secret)
        own = await self._directory.bounce_domain(mail.workspace_id, sender.rpartition("@")[2])
        return f"{local}@{own or self._process.settings.bounce_domain}"

    async def _sign(self, mail: Claimed, pool: Pool | None) -> Signed:
        """Signs a message once for all its recipients that are sent at about the same time."""
        wanted = (mail.message.message_id, pool)
        while (known := self._signed.get(wanted)) is None and (under_way := self._under_way.get(wanted)) is not None:
            await under_way.wait()
        if known is not None:
            return known
        content = await self._content(mail)
        if len(content) > HELD_BODY_OCTETS:
            return await self._signed_anew(mail, pool, content)
        done = self._under_way[wanted] = asyncio.Event()
        try:
            signed = self._signed[wanted] = await self._signed_anew(mail, pool, content)
        finally:
            self._under_way.pop(wanted, None)
            done.set()
        if len(self._signed) > _CACHE:
            self._signed.popitem(last=False)
        return signed

    async def _signed_anew(self, mail: Claimed, pool: Pool | None, content: bytes) -> Signed:
        keys = await self._directory.signing_keys(mail.workspace_id, mail.message.sender.rpartition("@")[2], pool)
        complaints = await self._complaint_fields(mail, keys, content)
        drafts = dkim.drafts(complaints + content if complaints else content, keys, self._process.clock.now())
        return Signed(await self._signing.sign(drafts) + complaints, content)

    async def _complaint_fields(self, mail: Claimed, keys: Sequence[SigningKey], content: bytes) -> bytes:
        """Where receivers may send complaints without being asked to (RFC 9477), for mail that is sent to many.

        They believe it only at the domain of From or below, under a signature of that domain which covers it (3.1). The address names
        the message: it is one for all its recipients, as the signature is.
        """
        domain = mail.message.sender.rpartition("@")[2].lower()
        proves = any(f".{domain}".endswith(f".{key.domain}") for key in keys)
        if mail.message.mail_class is not MailClass.MARKETING or not proves:
            return b""
        workspace = await self._directory.workspace(mail.workspace_id)
        own = await self._directory.bounce_domain(mail.workspace_id, domain) if workspace.bounce_processing else None
        if own is None or not f".{own}".endswith(f".{domain}") or _has_complaint_address(content):
            return b""
        local = verp.encode(Purpose.COMPLAINT, workspace.number, mail.message.message_id, self._secret)
        return (f"CFBL-Address: {local}@{own}; report=arf\r\nCFBL-Feedback-ID: {mail.message.message_id}\r\n").encode(
            "ascii"
        )

    async def _content(self, mail: Claimed) -> bytes:
        message = mail.message
        if message.stored is not None:
            return await contents.unpacked(
                self._process, self._directory, mail.workspace_id, message.message_id, message.encoding, message.stored
            )
        content = await contents.content(self._process, self._directory, mail.workspace_id, message.message_id)
        assert content is not None, "retention removes no body that is still promised"
        return content


def _has_complaint_address(content: bytes) -> bool:
    """Whether its sender has an address of his own for complaints."""
    block, _ = headers.split(content)
    return headers.first(block, "CFBL-Address") is not None
