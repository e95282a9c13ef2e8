"""Makes a claimed mail ready for the wire: opens its body, signs it, and gives it its own return path, marketing also its own way out."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.accounts.workspaces import Workspace
from posthouse.delivery.courier import Envelope
from posthouse.delivery.signing import Signing
from posthouse.intake import contents, opt_out
from posthouse.intake.opt_out import Doors
from posthouse.model.limits import HELD_BODY_OCTETS
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass, Pool
from posthouse.outbox.claims import Claimed
from posthouse.runtime.process import Process
from posthouse.wire import dkim, headers, list_unsubscribe, verp
from posthouse.wire.addresses import is_ascii
from posthouse.wire.dkim import Draft
from posthouse.wire.dkim_keys import SigningKey
from posthouse.wire.verp import Purpose

_KEPT_OCTETS: Final = 8_000_000  # of signed messages, for their other recipients (claims come in runs of the same message) and for what goes next

_Wanted: TypeAlias = tuple[UUID, Pool | None]
Soon: TypeAlias = Callable[[int], list[Claimed]]  # up to so many mails that go right after this one


@dataclass(frozen=True, slots=True)
class Signed:
    """A message as it goes over the wire: the DKIM-Signature fields (and CFBL fields they cover), then the content."""

    signature: bytes
    content: bytes


class _Draft(NamedTuple):
    """A message before its signatures."""

    fields: list[Draft]
    own: bytes  # fields of ours that are signed with it
    content: bytes


class Preparer:
    """One per process; the secret of return paths is derived from the key-encryption key."""

    def __init__(self, process: Process, directory: Directory, signing: Signing) -> None:
        self._process = process
        self._directory = directory
        self._signing = signing
        self._secret = process.vault.derive("return-path")
        self._signed: OrderedDict[_Wanted, Signed] = OrderedDict()
        self._octets = 0  # of their contents
        self._under_way: dict[_Wanted, asyncio.Event] = {}  # set when it is signed, or will not be

    async def prepare(self, mail: Claimed, pool: Pool | None, soon: Soon) -> tuple[Envelope, bytes]:
        """The envelope for one recipient, signed with the keys of the pool it leaves by, and the signature fields in it."""
        signed = await self._sign(mail, pool, soon)
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
        return f"{local}@{await self._bounce_domain(mail, workspace)}"

    async def _bounce_domain(self, mail: Claimed, workspace: Workspace) -> str:
        """One whose mail comes to us: the sender's own where bounces are processed, else that of the installation."""
        domain = mail.message.sender.rpartition("@")[2]
        own = await self._directory.bounce_domain(mail.workspace_id, domain) if workspace.bounce_processing else None
        return own or self._process.settings.bounce_domain

    async def _sign(self, mail: Claimed, pool: Pool | None, soon: Soon) -> Signed:
        """Signs a message once for all its recipients that are sent at about the same time, and with it what goes next."""
        wanted = _signed_as_one(mail), pool
        while (known := self._signed.get(wanted)) is None and (under_way := self._under_way.get(wanted)) is not None:
            await under_way.wait()
        if known is not None:
            return known
        content = await self._content(mail)
        if len(content) > HELD_BODY_OCTETS:
            return (await self._signed_anew([await self._draft(mail, pool, content)]))[0]
        also = self._next(soon, pool)
        done = asyncio.Event()
        self._under_way |= dict.fromkeys([wanted, *also], done)
        try:
            drafts = {wanted: await self._draft(mail, pool, content)}
            for key, other in also.items():
                with contextlib.suppress(Exception):  # it is told when its own turn has come
                    if len(content := await self._content(other)) <= HELD_BODY_OCTETS:
                        drafts[key] = await self._draft(other, pool, content)
            for key, signed in zip(drafts, await self._signed_anew(list(drafts.values())), strict=True):
                self._keep(key, signed)
        finally:
            for key in (wanted, *also):
                self._under_way.pop(key, None)
            done.set()
        return self._signed[wanted]

    def _next(self, soon: Soon, pool: Pool | None) -> dict[_Wanted, Claimed]:
        """What is worth signing along: other messages that are at hand and that nobody has begun with."""
        if self._signing.at_once == 1:
            return {}
        found = {(_signed_as_one(mail), pool): mail for mail in soon(self._signing.at_once - 1)}
        return {
            key: mail
            for key, mail in found.items()
            if mail.message.stored is not None and key not in self._signed and key not in self._under_way
        }

    def _keep(self, key: _Wanted, signed: Signed) -> None:
        self._signed[key] = signed
        self._octets += len(signed.content)
        while self._octets > _KEPT_OCTETS:
            _, oldest = self._signed.popitem(last=False)
            self._octets -= len(oldest.content)

    async def _draft(self, mail: Claimed, pool: Pool | None, content: bytes) -> _Draft:
        keys = await self._directory.signing_keys(mail.workspace_id, mail.message.sender.rpartition("@")[2], pool)
        own = await self._complaint_fields(mail, keys, content) + await self._opt_out_fields(mail, content)
        drafts = dkim.drafts(own + content if own else content, keys, self._process.clock.now())
        return _Draft(drafts, own, content)

    async def _signed_anew(self, drafts: Sequence[_Draft]) -> list[Signed]:
        made = await self._signing.sign([each.fields for each in drafts])
        return [Signed(fields + each.own, each.content) for fields, each in zip(made, drafts, strict=True)]

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

    async def _opt_out_fields(self, mail: Claimed, content: bytes) -> bytes:
        """How this recipient ends such mail (RFC 8058), unless its sender brought a pair of his own; the door takes away half ones."""
        if mail.message.mail_class is not MailClass.MARKETING or list_unsubscribe.is_there(headers.split(content)[0]):
            return b""
        workspace = await self._directory.workspace(mail.workspace_id)
        domain = mail.message.sender.rpartition("@")[2].lower()
        doors = Doors(
            await self._bounce_domain(mail, workspace),
            await self._directory.link_host(mail.workspace_id, domain) or "",
        )
        token = verp.encode(Purpose.UNSUBSCRIBE, workspace.number, mail.recipient_id, self._secret)
        return opt_out.fields(self._process.settings, doors, token)

    async def _content(self, mail: Claimed) -> bytes:
        message = mail.message
        if message.stored is not None:
            return await contents.unpacked(
                self._process, self._directory, mail.workspace_id, message.message_id, message.encoding, message.stored
            )
        content = await contents.content(self._process, self._directory, mail.workspace_id, message.message_id)
        assert content is not None, "retention removes no body that is still promised"
        return content


def _signed_as_one(mail: Claimed) -> UUID:
    """What one signature serves: a message for all its recipients; of marketing each is given a link of its own."""
    return mail.recipient_id if mail.message.mail_class is MailClass.MARKETING else mail.message.message_id


def _has_complaint_address(content: bytes) -> bool:
    """Whether its sender has an address of his own for complaints."""
    block, _ = headers.split(content)
    return headers.first(block, "CFBL-Address") is not None
