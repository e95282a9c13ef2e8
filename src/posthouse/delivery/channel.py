"""The socket under a client machine: bytes both ways, one clock for whatever is awaited, TLS in between."""

import asyncio
import select
import ssl
from collections import deque
from collections.abc import Callable
from typing import cast

from posthouse.delivery.courier import Timeouts
from posthouse.model.limits import CONTENT_CHUNK_OCTETS
from posthouse.model.outcome import Stage
from posthouse.wire.smtp_client import ClientMachine, Event, SendContent, StartTls

_NEVER = float("inf")


class Channel(asyncio.Protocol):
    """Runs one machine on one transport. `wait` gives the next event that is not the channel's own business.

    Time limits count from reply to reply, never from byte to byte, so a receiver cannot stretch them. There is one timer per
    connection, moved only when it fires: a mail costs no timer of its own.
    """

    def __init__(self, machine: ClientMachine, timeouts: Timeouts) -> None:
        self.machine = machine
        self.timed_out = False
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._deadline = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER
        self._replies = -1
        self._pending = memoryview(b"")  # the rest of a large message
        self._sending = False
        self._paused = False

    # -- for the connection

    async def wait(self) -> Event:
        """The next event; one caller at a time."""
        if not self._events:
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._events.popleft()

    def act(self, events: list[Event]) -> None:
        """Do what the machine wants after it was told something."""
        for event in events:
            if isinstance(event, SendContent):
                self._begin_content()
            else:
                self._events.append(event)
        if self._events and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self._transport is not None:
            self._write(self._transport, events)
        self._watch()

    async def start_tls(self, context: ssl.SSLContext, host: str, proven: Callable[[ssl.SSLObject], str]) -> str:
        """The handshake the machine asked for; protocol, cipher and what `proven` says of it before anything else is said.

        Raises OSError or ValueError when the handshake fails, and whatever `proven` raises.
        """
        assert self._transport is not None
        plain = self._transport
        encrypted = await self._loop.start_tls(
            plain,
            self,
            context,
            server_hostname=host,
            ssl_handshake_timeout=self._timeouts.command_s,
            ssl_shutdown_timeout=self._timeouts.quit_s,
        )
        if encrypted is None:
            raise ConnectionAbortedError("connection closed in the TLS handshake")
        self._use(encrypted)
        session = encrypted.get_extra_info("ssl_object")
        description = f"{session.version()} {encrypted.get_extra_info('cipher')[0]}{proven(session)}"
        self.machine.tls_established(description)
        self.act([])
        return description

    async def quiet(self) -> bool:
        """Whether the machine is still idle once everything that has already come in was read."""
        if self._is_idle() and self._poll.poll(0):
            await asyncio.sleep(0)  # one turn of the loop to read it, one to act on it
            await asyncio.sleep(0)
        return self._is_idle()

    async def close(self) -> None:
        """QUIT if that can still be said, then the end, within `quit_s`."""
        try:
            if self._is_idle():
                self.machine.quit()
                self.act([])
                await asyncio.wait([self._closed], timeout=self._timeouts.quit_s)
        finally:
            self.abort()

    def abort(self) -> None:
        """The end, now."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    # -- for the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The machine waits for the banner from here on."""
        self._use(cast("asyncio.Transport", transport))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Whatever the receiver says."""
        self.act(self.machine.receive(data))

    def eof_received(self) -> bool:
        """The receiver hung up; nothing is left to say."""
        self._lose("connection closed by the receiver")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone, for whatever reason."""
        self._lose(f"connection lost: {exc}" if exc else "connection closed")
        if not self._closed.done():
            self._closed.set_result(None)
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """The receiver is slower than we are."""
        self._paused = True

    def resume_writing(self) -> None:
        """Everything written has left."""
        self._paused = False
        self._continue_content()

    # -- inside

    def _is_idle(self) -> bool:
        return self.machine.is_idle and self._transport is not None and not self._transport.is_closing()

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Resuming only when empty means the final dot is handed over only after all before it has left for good.
        transport.set_write_buffer_limits(high=CONTENT_CHUNK_OCTETS - 1, low=0)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def _write(self, transport: asyncio.Transport, events: list[Event]) -> None:
        data = self.machine.bytes_to_send()
        if data and not transport.is_closing():
            transport.write(data)
        if self.machine.is_dead:
            self._sending = False
            transport.abort() if transport.get_write_buffer_size() else transport.close()
        elif events and isinstance(events[-1], StartTls):
            transport.pause_reading()  # what comes next is for the handshake

    def _lose(self, reason: str) -> None:
        self._sending = False
        self.act(self.machine.lost(reason))

    def _begin_content(self) -> None:
        content = self.machine.content()
        if len(content) < CONTENT_CHUNK_OCTETS:
            assert self._transport is not None
            self._transport.write(content + self.machine.end_of_data())
            return
        self._pending = memoryview(content)
        self._sending = True
        self._continue_content()

    def _continue_content(self) -> None:
        """Write on until the transport has enough; the dot only when nothing waits before it."""
        while self._sending and not self._paused and self._transport is not None:
            self._expect(self._timeouts.write_s)
            if self._pending:
                chunk, self._pending = self._pending[:CONTENT_CHUNK_OCTETS], self._pending[CONTENT_CHUNK_OCTETS:]
                self._transport.write(chunk)
            else:
                self._sending = False
                self._transport.write(self.machine.end_of_data())
                self._expect(self._timeouts.dot_s)

    def _watch(self) -> None:
        """Set the time limit anew if the dialogue moved on; while a large message goes out its chunks do that."""
        if not self._sending and (self._replies != self.machine.replies or self._deadline == _NEVER):
            self._replies = self.machine.replies
            self._expect(self._limit())

    def _limit(self) -> float:
        match self.machine.awaited:
            case None:
                return _NEVER
            case Stage.BANNER:
                return self._timeouts.banner_s
            case Stage.DATA:
                return self._timeouts.data_s
            case Stage.DOT:
                return self._timeouts.dot_s
            case _:
                return self._timeouts.command_s

    def _expect(self, limit_s: float) -> None:
        self._deadline = self._loop.time() + limit_s
        if self._deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, _NEVER
        if self._loop.time() < self._deadline:
            if self._deadline < _NEVER:
                self._expect(self._deadline - self._loop.time())
            return
        self.timed_out = True
        # A late reply would be taken for the answer to something else: the connection ends here.
        waiting = "the receiver reads no more of the message" if self._sending else "no reply"
        self._lose(f"{waiting}, timed out")
        self.abort()
