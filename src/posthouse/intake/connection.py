"""One SMTP connection: octets in, octets out, questions to whoever decides.

`Connection` owns the socket, the `ServerMachine` owns the protocol, a `Session` owns the decisions. A session that knows its answer
gives it at once; one that has to ask somebody returns a coroutine, and the socket rests until it is done. Time is watched from
outside (`Listener.sweep`), so that a message costs no timer. Whatever goes wrong here ends this connection and no other.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

from posthouse.intake.answers import LOCAL_ERROR, STORAGE_GONE, TOO_LATE, Answer, HangUp, LaterAnswer, No, Session, Yes
from posthouse.model.limits import (
    SMTP_ANSWER_S,
    SMTP_CLOSE_S,
    SMTP_EXCHANGE_S,
    SMTP_HANDSHAKE_S,
    SMTP_IDLE_S,
)
from posthouse.runtime.log import Logger
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.wire.smtp_server import ServerMachine
from posthouse.wire.smtp_server_events import Question, ServerConfig, StartTls
from posthouse.wire.smtp_server_replies import Reply
from posthouse.wire.smtp_server_states import State


class Host(Protocol):
    """What a connection asks of the listener it belongs to."""

    log: Logger
    tls: ssl.SSLContext | None
    now: float
    """Seconds of the event loop's clock, as of the last sweep."""

    def admit(self, connection: "Connection") -> Reply | None:
        """None, or the reply that turns it away."""

    def open_session(self, connection: "Connection") -> Session:
        """A new session."""

    def forget(self, connection: "Connection") -> None:
        """The connection is gone."""


class Connection(asyncio.Protocol):
    """One client. `peer` is its IP address, `tls` the version and cipher in use, or empty."""

    __slots__ = (
        "_asked_at",
        "_closing_at",
        "_config",
        "_deaf",
        "_ended",
        "_heard_at",
        "_host",
        "_machine",
        "_paused",
        "_replied_at",
        "_session",
        "_task",
        "_transport",
        "on_content",
        "peer",
        "tls",
    )

    def __init__(self, host: Host, config: ServerConfig) -> None:
        self._host, self._config = host, config
        self._machine = ServerMachine(config)
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._paused = False
        self._deaf = False  # the client does not read our replies
        self._ended = False  # the client will send no more
        self._heard_at = self._replied_at = self._asked_at = host.now
        self._closing_at: float | None = None
        self.peer, self.tls = "", ""
        # Called after each part of a message while it is still coming.
        self.on_content: Callable[[], None] | None = None

    # --- What sessions may know and do

    @property
    def client_name(self) -> str:
        """What the client called itself in EHLO or HELO."""
        return self._machine.client_name

    @property
    def buffered(self) -> int:
        """Octets held for this client."""
        return self._machine.buffered

    def write(self, octets: bytes) -> None:
        """Send octets past the machine: the beginning of a multi-line reply to the open question."""
        if not self._machine.closed:
            self._transport.write(octets)

    def send_away(self, code: int, enhanced: str, text: str) -> None:
        """Say this and close, whatever is going on."""
        self._machine.abort(code, enhanced, text)
        self._flush()

    def stop(self) -> None:
        """Close between transactions, or after the present one (RFC 5321 3.8)."""
        self._machine.shutdown()
        self._flush()

    def hang_up(self) -> None:
        """Close without a word."""
        self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn the client away, or open a session and greet."""
        self._transport = cast("asyncio.Transport", transport)
        self.peer = _plain_address(transport.get_extra_info("peername"))
        self.tls = _tls_facts(transport)
        if refusal := self._host.admit(self):
            self._machine.abort_with(refusal)
            self._flush()
            return
        try:
            self._session = self._host.open_session(self)
            trusted = self._session.opened()
        except Exception:
            self._host.log.exception("smtp_session.failed", peer=self.peer)
            self.send_away(421, LOCAL_ERROR.enhanced, LOCAL_ERROR.text)
            return
        if isinstance(trusted, bool):
            self._greet(trusted)
        else:
            self._pause()
            self._task = asyncio.create_task(self._greet_later(trusted))

    def data_received(self, data: bytes) -> None:
        """Feed the machine; while an answer is awaited one read is kept and the socket rests."""
        self._heard_at = self._host.now
        machine = self._machine
        machine.receive(data)
        if machine.awaiting:
            self._pause()
            return
        self._pump()
        if self.on_content is not None and machine.state is State.DATA:
            self.on_content()

    def eof_received(self) -> bool:
        """A client that closes its side sends no more; that its message was taken it wants to hear all the same.

        Exim says QUIT with the final dot and closes its side at once. Without an answer it would send everything again.
        """
        self._ended = True
        return self._machine.awaiting and not self.tls  # TLS has no half of a connection

    def pause_writing(self) -> None:
        """The client does not read its replies: read none of its commands."""
        self._deaf = True
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._deaf = False
        self._resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """A message whose acceptance is under way is still accepted: its commit may have happened already."""
        self._machine.abort(421, "4.4.2", "Connection lost")
        self._host.forget(self)

    # --- Time

    def check(self, now: float) -> None:
        """Called every SMTP_SWEEP_S: end what takes too long."""
        if self._closing_at is not None:
            if now - self._closing_at > SMTP_CLOSE_S:
                self._transport.abort()
        elif self._task is not None:
            if now - self._asked_at > SMTP_ANSWER_S:
                self._task.cancel()
        elif now - self._heard_at > SMTP_IDLE_S or now - self._replied_at > SMTP_EXCHANGE_S:
            self._machine.timeout()
            self._flush()

    # --- Inside

    def _greet(self, trusted: bool) -> None:
        self._machine = ServerMachine(self._config, trusted=trusted)
        self._machine.greet()
        self._flush()

    async def _greet_later(self, trusted: Coroutine[Any, Any, bool]) -> None:
        self._asked_at = self._host.now
        try:
            answer = await trusted
        except asyncio.CancelledError:
            self.send_away(421, TOO_LATE.enhanced, TOO_LATE.text)
        except DATABASE_GONE:
            self.send_away(421, STORAGE_GONE.enhanced, STORAGE_GONE.text)
        except Exception:
            self._host.log.exception("smtp_session.failed", peer=self.peer)
            self.send_away(421, LOCAL_ERROR.enhanced, LOCAL_ERROR.text)
        else:
            self._task = None
            if not self._transport.is_closing():
                self._greet(answer)
                self._resume()

    def _pump(self) -> None:
        """Let the machine read on until it needs octets or an answer that takes time."""
        machine = self._machine
        while (event := machine.next_event()) is not None:
            if isinstance(event, StartTls):
                self._start_tls()
                return
            answer = self._ask(event)
            if not isinstance(answer, Yes | No | HangUp):
                self._asked_at = self._host.now
                self._task = asyncio.create_task(self._answer_later(answer, event))
                break
            self._apply(answer)
        self._flush()

    def _ask(self, question: Question) -> Answer | LaterAnswer:
        assert self._session is not None
        try:
            return self._session.answer(question)
        except Exception:
            self._host.log.exception("smtp_session.failed", peer=self.peer, question=type(question).__name__)
            return LOCAL_ERROR

    async def _answer_later(self, coming: LaterAnswer, question: Question) -> None:
        try:
            answer = await coming
        except asyncio.CancelledError:
            answer = TOO_LATE
        except DATABASE_GONE as problem:
            self._host.log.warning("smtp_session.storage_gone", problem=str(problem))
            answer = STORAGE_GONE
        except Exception:
            self._host.log.exception("smtp_session.failed", peer=self.peer, question=type(question).__name__)
            answer = LOCAL_ERROR
        self._task = None
        if self._machine.closed:
            return
        self._apply(answer)
        self._pump()
        self._resume()
        if self._ended and not self._machine.awaiting:
            self._transport.close()

    def _apply(self, answer: Answer) -> None:
        if isinstance(answer, Yes):
            self._machine.accept(answer.text)
        elif isinstance(answer, No):
            self._machine.refuse(*answer)
        else:
            self.hang_up()
            self._machine.timeout()

    def _flush(self) -> None:
        octets = self._machine.data_to_send()
        if octets and not self._transport.is_closing():
            self._replied_at = self._host.now
            self._transport.write(octets)
        if self._machine.closed and self._closing_at is None:
            self._closing_at = self._host.now
            self._transport.close()

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not (self._deaf or self._machine.awaiting or self._transport.is_closing()):
            self._paused = False
            self._transport.resume_reading()

    # --- TLS

    def _start_tls(self) -> None:
        # Nothing may be read between the 220 and the handshake: octets that came in the clear must never pass as protected.
        self._pause()
        self._flush()
        self._asked_at = self._host.now
        self._task = asyncio.create_task(self._handshake())

    async def _handshake(self) -> None:
        tls = self._host.tls
        assert tls is not None, "STARTTLS is offered without a certificate"
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport, self, tls, server_side=True, ssl_handshake_timeout=SMTP_HANDSHAKE_S
            )
        except (OSError, asyncio.CancelledError) as problem:
            self._host.log.info("smtp_session.tls_failed", peer=self.peer, problem=str(problem))
            self._transport.abort()
            return
        assert secured is not None
        self._transport, self._paused, self._task = secured, False, None
        self.tls = _tls_facts(secured)
        self._heard_at = self._replied_at = self._host.now
        self._machine.tls_established()
        self._pump()


def _plain_address(peername: object) -> str:
    """An IP address as text, IPv4 as itself even on an IPv6 socket, without a zone."""
    if not isinstance(peername, tuple) or not peername:
        return ""
    address = str(peername[0]).partition("%")[0]
    return address.removeprefix("::ffff:") if "." in address else address


def _tls_facts(transport: asyncio.BaseTransport) -> str:
    cipher = transport.get_extra_info("cipher")
    return f"{cipher[1]} {cipher[0]}" if cipher else ""
