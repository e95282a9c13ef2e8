"""Signs mail: several at once where the processor can (`together`); elsewhere in a `signer` of its own when there is much.

One by one, an RSA signature is two fifths of what a mail costs a delivery process, and the only part of it that another core can do.
Threads do not help: what lets go of the interpreter for a quarter of a millisecond waits longer than that to have it back.
"""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple, cast

from posthouse.delivery.signer import ANSWER, DIGEST, HEADER, KEY
from posthouse.delivery.together import Together
from posthouse.runtime.crypto_mb import Lanes
from posthouse.runtime.log import Logger
from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim import Draft
from posthouse.wire.dkim_keys import Algorithm, SigningKey

_BUSY: Final = 50  # signatures in a second from which on a signer is worth its memory
_KEYS: Final = 1_000  # a signer has at a time
_LATE_S: Final = 2.0  # without an answer a signer is given up
_AGAIN_S: Final = 10.0  # after one has ended
_MODULE: Final = "posthouse.delivery.signer"


class Signing:
    """One per process. Only RSA goes to a signer: Ed25519 costs no more than the way there and back."""

    def __init__(self, log: Logger, lanes: Lanes | None) -> None:
        self._log = log
        self._together = Together(lanes)
        self._loop = asyncio.get_running_loop()
        self._cores = len(os.sched_getaffinity(0))
        self._second, self._signed = 0.0, 0
        self._not_before = 0.0
        self._beside: asyncio.Task[None] | None = None  # while there is a signer
        self._link: _Link | None = None

    @property
    def is_beside(self) -> bool:
        """Whether there is a signer now."""
        return self._link is not None and self._link.is_open

    @property
    def at_once(self) -> int:
        """So many messages are best signed in one call."""
        return self._together.most

    async def sign(self, messages: Sequence[Sequence[Draft]]) -> list[bytes]:
        """The finished fields of each message, in their order."""
        if self._together.most > 1:
            made = iter(self._together.sign([draft for drafts in messages for draft in drafts]))
            return [b"".join([dkim.finished(draft, next(made)) for draft in drafts]) for drafts in messages]
        return [
            b"".join([dkim.finished(draft, await self._signature(draft)) for draft in drafts]) for drafts in messages
        ]

    async def close(self) -> None:
        """Ends the signer, if there is one. Nobody waits for a signature any more."""
        if self._beside is not None:
            self._beside.cancel()
            await asyncio.wait([self._beside])

    async def _signature(self, draft: Draft) -> bytes:
        if draft.key.algorithm is Algorithm.RSA:
            if self._link is not None and self._link.is_open:  # as is_beside, but the type checker follows
                return await self._link.ask(draft)
            self._count()
        return dkim.sign_digest(draft.key, draft.digest)

    def _count(self) -> None:
        """Has a signer started when there is enough to do and a core to do it on."""
        now = self._loop.time()
        if now - self._second > 1.0:
            self._second, self._signed = now, 0
        self._signed += 1
        if self._signed >= _BUSY and self._cores > 1 and self._beside is None and now >= self._not_before:
            self._beside = asyncio.create_task(self._have_one(), name="signer")

    async def _have_one(self) -> None:
        """One signer, from its start to its end, which is the end of this process unless something went wrong."""
        try:
            process, self._link = await self._started()
            status = await self._watch(process, self._link)
            self._log.warning("signer.ended", status=status)
        except OSError as error:
            self._log.warning("signer.missing", error=str(error))
        self._beside, self._not_before = None, self._loop.time() + _AGAIN_S

    async def _watch(self, process: Process, link: "_Link") -> int:
        """Returns its status when it has ended; one that does not answer is ended."""
        try:
            while process.returncode is None and not link.is_late(self._loop.time()):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LATE_S / 2):
                        await process.wait()
        finally:
            link.close()
            if process.returncode is None:
                process.kill()  # it has nothing to lose
            status = await process.wait()
        return status

    async def _started(self) -> tuple[Process, "_Link"]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(sys.executable, "-m", _MODULE, stdin=theirs.fileno())
            _, link = await self._loop.create_unix_connection(_Link, sock=ours)
        except BaseException:
            ours.close()
            raise
        return process, link


class _Known(NamedTuple):
    """A key the signer has."""

    number: int
    key: SigningKey


class _Link(asyncio.Protocol):
    """The way to a signer. Should it go away, what was asked for is signed here."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._asked: deque[tuple[Draft, asyncio.Future[bytes]]] = deque()
        self._keys: dict[tuple[str, str], _Known] = {}  # by domain and selector
        self._out: list[bytes] = []
        self._rest = b""
        self._has_greeted = False
        self._heard_at = 0.0  # ... or first asked, when nothing was outstanding

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._has_greeted and self._transport is not None and not self._transport.is_closing()

    def is_late(self, now: float) -> bool:
        """Whether it owes an answer for too long."""
        return bool(self._asked) and now - self._heard_at > _LATE_S

    async def ask(self, draft: Draft) -> bytes:
        """The signature over a draft's digest."""
        answer: asyncio.Future[bytes] = self._loop.create_future()
        if not self._asked:
            self._heard_at = self._loop.time()
        self._asked.append((draft, answer))
        if not self._out:
            self._loop.call_soon(self._flush)  # with what others ask in this turn of the loop
        number = self._number(draft.key)
        self._out += HEADER.pack(DIGEST, number, len(draft.digest)), draft.digest
        return await answer

    def close(self) -> None:
        """Nothing more is asked; what is outstanding is signed here."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A greeting without octets, then signatures in the order they were asked for."""
        self._rest += data
        self._heard_at = self._loop.time()
        at = 0
        while len(self._rest) - at >= ANSWER.size:
            begin = at + ANSWER.size
            end = begin + ANSWER.unpack_from(self._rest, at)[0]
            if end > len(self._rest):
                break
            self._take(self._rest[begin:end])
            at = end
        self._rest = self._rest[at:]

    def _take(self, signature: bytes) -> None:
        if not signature:
            self._has_greeted = True
            return
        _, answer = self._asked.popleft()
        if not answer.done():
            answer.set_result(signature)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        while self._asked:
            draft, answer = self._asked.popleft()
            if answer.done():
                continue
            try:
                answer.set_result(dkim.sign_digest(draft.key, draft.digest))
            except Exception as error:  # noqa: BLE001 - the others have nobody else who signs for them
                answer.set_exception(error)

    def _number(self, key: SigningKey) -> int:
        """The number the signer has this very key under, told now if it has not. A number may get another key: frames keep their order."""
        name = key.domain, key.selector
        known = self._keys.get(name)
        if known is not None and known.key is key:
            return known.number
        if known is None and len(self._keys) == _KEYS:
            known = self._keys.pop(next(iter(self._keys)))  # the one that has been there longest
        number = len(self._keys) if known is None else known.number
        self._keys[name] = _Known(number, key)
        der = dkim_keys.dump(key)
        self._out += HEADER.pack(KEY, number, len(der)), der
        return number

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()


@contextlib.asynccontextmanager
async def opened(log: Logger, lanes: Lanes | None) -> AsyncIterator[Signing]:
    """What signs for a process, while the block runs."""
    signing = Signing(log, lanes)
    try:
        yield signing
    finally:
        await signing.close()
