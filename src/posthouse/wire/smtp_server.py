"""The server's side of an SMTP session (RFC 5321) as a machine without socket, clock or database.

The host moves bytes and answers questions; everything else is decided here:

    machine.greet()
    machine.receive(octets)                     whenever some arrive
    while event := machine.next_event():        one at a time; None means "nothing to decide now"
        ... machine.accept() or machine.refuse(550, "5.1.1", "Unknown recipient") ...
    transport.write(machine.data_to_send())     after every pump
    if machine.closed: transport.close()

A question may be answered later: until then the machine reads nothing more, so pipelined commands (RFC 2920) wait their
turn and replies keep their order. After a late answer, pump `next_event` again; `awaiting` says whether to rest the socket.
Which command is allowed when is the table in `smtp_server_states`.
"""

from collections.abc import Callable
from typing import Final, cast

from posthouse.model.limits import (
    AUTH_LINE_OCTETS,
    COMMAND_LINE_OCTETS,
    IDLE_COMMANDS,
    PIPELINE_OCTETS,
)
from posthouse.wire import sasl
from posthouse.wire import smtp_server_commands as commands
from posthouse.wire import smtp_server_replies as replies
from posthouse.wire.smtp_server_data import DataReader
from posthouse.wire.smtp_server_events import (
    Authenticate,
    Event,
    MailFrom,
    Mechanism,
    MessageReceived,
    Question,
    RcptTo,
    ServerConfig,
    StartTls,
    ehlo_reply,
)
from posthouse.wire.smtp_server_lines import LineFault, LineReader
from posthouse.wire.smtp_server_replies import Reply
from posthouse.wire.smtp_server_states import IDLE, SILENT, State, out_of_order


class ServerMachine:
    """One session. `trusted` exempts it from `require_auth`: its client is known by its IP address."""

    def __init__(self, config: ServerConfig, *, trusted: bool = False) -> None:
        self.state = State.START
        self.client_name = ""
        self.tls_active = config.implicit_tls
        self.authenticated = False
        self.messages = 0
        self._config, self._trusted = config, trusted
        self._extended = False
        self._lines, self._outgoing = LineReader(), bytearray()
        self._errors = self._idle = self._failed_auths = 0
        self._draining = False
        self._question: Question | None = None
        self._event: Event | None = None
        self._exchange: tuple[Mechanism, sasl.Exchange] | None = None
        self._mail: MailFrom | None = None
        self._recipients: list[str] = []
        self._reader: DataReader | None = None

    # --- What the host does

    def greet(self) -> None:
        """Say the banner. What arrives before it waits."""
        if self.state is State.START:
            self._outgoing += f"220 {self._config.hostname} ESMTP {self._config.greeting}\r\n".encode()
            self.state = State.CONNECTED

    def receive(self, data: bytes) -> None:
        """Take octets from the client. Never fails; after `closed` they are dropped."""
        if self.state is State.CLOSED:
            return
        if self.state is State.TLS:
            # Plaintext between our 220 and the handshake: there is nobody left to tell in the clear.
            self._close()
        elif self.awaiting and len(self._lines.octets) + len(data) > PIPELINE_OCTETS:
            self.abort_with(replies.PIPELINE_FLOOD)
        else:
            self._lines.octets += data

    def next_event(self) -> Event | None:
        """Read on until the host is needed. The event comes once; None while there is nothing to ask."""
        while self._event is None and self._question is None and self._advance():
            pass
        event, self._event = self._event, None
        return event

    def data_to_send(self) -> bytes:
        """All replies not taken yet."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def accept(self, text: str = "") -> None:
        """Say yes to the open question, in the standard words or in `text`. Ignored once closed."""
        question = self._answered()
        if question is not None:
            _ACCEPTED[type(question)](self, question, text)

    def refuse(self, code: int, enhanced: str, text: str) -> None:
        """Say no to the open question; 421 also closes (RFC 5321 3.8). Ignored once closed."""
        question = self._answered()
        if question is None:
            return
        self._say(replies.reply(code, enhanced, text))
        if code == 421:
            self._close()
        else:
            self._refused(question, code)

    def tls_established(self) -> None:
        """The handshake is done; forget all that was said in the clear (RFC 3207 4.2)."""
        if self.state is not State.CLOSED:
            assert self.state is State.TLS
            self.tls_active, self.client_name, self._extended = True, "", False
            self.state = State.CONNECTED

    def timeout(self) -> None:
        """The client was silent for too long: 421 and close."""
        self.abort_with(replies.TIMEOUT)

    def shutdown(self) -> None:
        """Say 421 and close as soon as no transaction is open: now, or when the present one has ended."""
        self._draining = True
        if self._may_leave():
            self.abort_with(replies.SHUTDOWN)

    def abort(self, code: int, enhanced: str, text: str) -> None:
        """Say this and close, whatever the session is doing."""
        self.abort_with(replies.reply(code, enhanced, text))

    def abort_with(self, reply: Reply) -> None:
        """As `abort`, with one of the machine's own replies."""
        if self.state is not State.CLOSED:
            self._say(reply)
            self._close()

    @property
    def closed(self) -> bool:
        """Nothing is read any more: send what is left and close the connection."""
        return self.state is State.CLOSED

    @property
    def awaiting(self) -> bool:
        """The host owes the banner, an answer or a handshake; the socket may rest until then."""
        return self._question is not None or self.state in (State.START, State.TLS)

    @property
    def buffered(self) -> int:
        """Octets from the client held in memory."""
        return len(self._lines.octets) + (self._reader.buffered if self._reader else 0)

    # --- Reading

    def _advance(self) -> bool:
        """Take one step; False when it needs more octets or there is nothing to read them for."""
        if self._draining and self._may_leave():
            self.abort_with(replies.SHUTDOWN)
        if self.state is State.DATA:
            return self._read_message()
        if self.state in SILENT:
            return False
        return self._read_line()

    def _may_leave(self) -> bool:
        return self._question is None and self.state in IDLE

    def _read_line(self) -> bool:
        in_auth = self.state is State.AUTH
        line = self._lines.next_line(AUTH_LINE_OCTETS if in_auth else COMMAND_LINE_OCTETS)
        if line is None:
            if self._lines.hopeless:
                self.abort_with(replies.LINE_TOO_LONG)
            return False
        if isinstance(line, LineFault):
            self._drop_exchange()
            self._fail(_line_refusal(line, in_auth))
        elif in_auth:
            self._auth_response(line)
        else:
            self._command(line)
        return True

    def _command(self, line: bytes) -> None:
        command = commands.split(line)
        if isinstance(command, Reply):
            return self._fail(command)
        verb, argument = command
        action = _ACTIONS.get(verb)
        if action is None:
            return self._fail(replies.UNKNOWN)
        if refusal := out_of_order(verb, self.state):
            # RCPT and DATA out of order are the shadow of a MAIL or RCPT refused earlier in a pipelined group (RFC 2920).
            return self._idled(refusal) if verb in ("RCPT", "DATA") else self._fail(refusal)
        return action(self, argument)

    # --- Replying

    def _say(self, reply: Reply) -> None:
        self._outgoing += reply.octets

    def _fail(self, reply: Reply) -> None:
        """Reply to a protocol error."""
        self._say(reply)
        self._count_error()

    def _idled(self, reply: Reply) -> None:
        """Reply to a command that brings no mail forward."""
        self._say(reply)
        self._count_idle()

    def _count_error(self) -> None:
        """Hang up on a client that makes too many."""
        self._errors += 1
        if self._errors >= self._config.max_errors:
            self.abort_with(replies.TOO_MANY_ERRORS)

    def _count_idle(self) -> None:
        """A command without effect is harmless, but not for ever."""
        self._idle += 1
        if self._idle > IDLE_COMMANDS:
            self._count_error()

    def _close(self) -> None:
        self.state = State.CLOSED
        self._question = self._event = self._exchange = self._reader = None
        self._lines.clear()

    def _ask(self, question: Question) -> None:
        self._question = self._event = question

    def _answered(self) -> Question | None:
        """The open question, now closed; None when the session ended before its answer came."""
        assert self._question is not None or self.closed, "accept or refuse without a question"
        question, self._question = self._question, None
        return question

    # --- The session

    def _ehlo(self, argument: str) -> None:
        if self._hello(argument):
            self._extended = True
            may_authenticate = self._may_authenticate() and not self.authenticated
            self._outgoing += ehlo_reply(self._config, tls_active=self.tls_active, may_authenticate=may_authenticate)
            self._count_idle()

    def _helo(self, argument: str) -> None:
        if self._hello(argument):
            self._extended = False
            self._outgoing += f"250 {self._config.hostname}\r\n".encode()
            self._count_idle()

    def _hello(self, argument: str) -> bool:
        """RFC 5321 4.1.4: a greeting in the middle of a session acts as RSET."""
        if not commands.is_hello_name(argument):
            self._fail(replies.BAD_HELLO)
            return False
        self.client_name = argument
        self._end_transaction()
        return True

    def _rset(self, argument: str) -> None:
        if argument:
            return self._fail(replies.NO_ARGUMENT)
        if self.state is not State.CONNECTED:
            self._end_transaction()
        return self._idled(replies.DONE)

    def _noop(self, argument: str) -> None:
        self._idled(replies.DONE)

    def _vrfy(self, argument: str) -> None:
        self._idled(replies.VRFY)

    def _help(self, argument: str) -> None:
        self._idled(replies.HELP)

    def _quit(self, argument: str) -> None:
        if argument:
            return self._fail(replies.NO_ARGUMENT)
        return self.abort_with(replies.BYE)

    def _not_implemented(self, argument: str) -> None:
        self._fail(replies.NOT_IMPLEMENTED)

    def _not_smtp(self, argument: str) -> None:
        """A browser made to post to us would have its body read as commands; hang up at its first line."""
        self.abort_with(replies.NOT_SMTP)

    def _starttls(self, argument: str) -> None:
        if argument:
            return self._fail(replies.NO_ARGUMENT)
        if self.tls_active:
            return self._fail(replies.TLS_ACTIVE)
        if not self._config.starttls:
            return self._fail(replies.NOT_IMPLEMENTED)
        if self._lines.octets:
            # Commands slipped in by a man in the middle, to be run as if they came through TLS (CVE-2011-0411).
            return self.abort_with(replies.TLS_INJECTION)
        self._say(replies.TLS_GO)
        self.state, self._event = State.TLS, StartTls()
        return None

    # --- Authentication

    def _may_authenticate(self) -> bool:
        return self.tls_active or not self._config.auth_needs_tls

    def _auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()
        if refusal := self._auth_refusal(mechanism, initial):
            return self._fail(refusal)
        known = cast("Mechanism", mechanism)
        self._exchange = known, sasl.Exchange(known)
        if initial:
            return self._auth_response(b"" if initial == "=" else initial.encode())  # RFC 4954 4: "=" is an empty one
        return self._challenge()

    def _auth_refusal(self, mechanism: str, initial: str) -> Reply | None:
        if not self._config.auth_mechanisms:
            return replies.NOT_IMPLEMENTED
        if self.authenticated:
            return replies.AUTH_AGAIN
        if not self._extended:
            return replies.HELLO_FIRST
        if not mechanism or " " in initial:
            return replies.AUTH_BAD_ARGUMENT
        if mechanism not in self._config.auth_mechanisms:
            return replies.AUTH_UNKNOWN
        return None if self._may_authenticate() else replies.AUTH_NEEDS_TLS

    def _challenge(self) -> None:
        assert self._exchange is not None
        mechanism, exchange = self._exchange
        if exchange.challenge is not None:
            self._outgoing += b"334 %s\r\n" % exchange.challenge
            self.state = State.AUTH
            return
        self._drop_exchange()
        credentials = exchange.credentials()
        if credentials is None:
            self._fail(replies.AUTH_MALFORMED)
        else:
            self._ask(Authenticate(mechanism, credentials))

    def _auth_response(self, line: bytes) -> None:
        assert self._exchange is not None
        if line == b"*":
            self._drop_exchange()
            return self._fail(replies.AUTH_CANCELLED)
        if not self._exchange[1].respond(line):
            self._drop_exchange()
            return self._fail(replies.AUTH_NOT_BASE64)
        return self._challenge()

    def _drop_exchange(self) -> None:
        if self._exchange is not None:
            self._exchange, self.state = None, State.READY

    def _authenticated(self, question: Question, text: str) -> None:
        self.authenticated = True
        self._say(replies.reply(235, "2.7.0", text) if text else replies.AUTHENTICATED)

    # --- The transaction

    def _mail_from(self, argument: str) -> None:
        config = self._config
        if self.messages >= config.max_messages:
            return self.abort_with(replies.TOO_MANY_MESSAGES)
        if config.require_auth and not (self.authenticated or self._trusted):
            return self._fail(replies.AUTH_REQUIRED)
        command = commands.parse_mail(argument, smtputf8_offered=config.smtputf8)
        if isinstance(command, Reply):
            return self._fail(command)
        if (command.parameters.size or 0) > config.max_size:
            return self._fail(replies.TOO_BIG)
        return self._ask(MailFrom(command.address, command.parameters))

    def _sender_accepted(self, question: Question, text: str) -> None:
        assert isinstance(question, MailFrom)
        self._mail, self.state = question, State.MAIL
        self._say(replies.reply(250, "2.1.0", text) if text else replies.SENDER_OK)

    def _rcpt_to(self, argument: str) -> None:
        assert self._mail is not None
        recipient = commands.parse_rcpt(argument, smtputf8=self._mail.parameters.smtputf8)
        if isinstance(recipient, Reply):
            return self._fail(recipient)
        if len(self._recipients) >= self._config.max_recipients:
            return self._say(replies.TOO_MANY_RECIPIENTS)
        return self._ask(RcptTo(recipient))

    def _recipient_accepted(self, question: Question, text: str) -> None:
        assert isinstance(question, RcptTo)
        self._recipients.append(question.address)
        self.state = State.RCPT
        self._say(replies.reply(250, "2.1.5", text) if text else replies.RECIPIENT_OK)

    def _data(self, argument: str) -> None:
        if argument:
            return self._fail(replies.NO_ARGUMENT)
        self._say(replies.DATA_GO)
        self._reader = DataReader(self._config.max_size, self._config.max_line)
        self.state = State.DATA
        return None

    def _read_message(self) -> bool:
        assert self._reader is not None
        octets = self._lines.octets
        if not octets:
            return False
        used = self._reader.feed(octets)
        if used is not None:
            del octets[:used]
            self._message_read(self._reader.result())
            return True
        octets.clear()
        if self._reader.hopeless:
            self.abort_with(replies.TOO_BIG)
        return False

    def _message_read(self, result: bytes | Reply) -> None:
        assert self._mail is not None
        mail, recipients = self._mail, tuple(self._recipients)
        self._end_transaction()
        if isinstance(result, Reply):
            self._fail(result)
        else:
            protocol = self._protocol(mail.parameters.smtputf8)
            self._ask(MessageReceived(mail.address, mail.parameters, recipients, result, protocol))

    def _protocol(self, smtputf8: bool) -> str:
        if not self._extended:
            return "SMTP"
        secured = "S" * self.tls_active + "A" * self.authenticated
        return ("UTF8SMTP" if smtputf8 else "ESMTP") + secured

    def _message_accepted(self, question: Question, text: str) -> None:
        self.messages += 1
        self._errors = self._idle = 0
        self._say(replies.reply(250, "2.0.0", text) if text else replies.DONE)

    def _refused(self, question: Question, code: int) -> None:
        if isinstance(question, Authenticate) and code >= 500:
            self._failed_auths += 1
            if self._failed_auths >= self._config.max_auth_attempts:
                self.abort_with(replies.AUTH_TOO_OFTEN)
        elif not isinstance(question, MessageReceived):
            self._count_idle()

    def _end_transaction(self) -> None:
        self._mail, self._reader, self._recipients = None, None, []
        self.state = State.READY


def _line_refusal(fault: LineFault, in_auth: bool) -> Reply:
    if fault is LineFault.BARE_LF:
        return replies.BARE_LF_COMMAND
    return replies.AUTH_LINE_TOO_LONG if in_auth else replies.LINE_TOO_LONG


_ACTIONS: Final[dict[str, Callable[[ServerMachine, str], None]]] = {
    "EHLO": ServerMachine._ehlo,
    "HELO": ServerMachine._helo,
    "STARTTLS": ServerMachine._starttls,
    "AUTH": ServerMachine._auth,
    "MAIL": ServerMachine._mail_from,
    "RCPT": ServerMachine._rcpt_to,
    "DATA": ServerMachine._data,
    "RSET": ServerMachine._rset,
    "NOOP": ServerMachine._noop,
    "VRFY": ServerMachine._vrfy,
    "HELP": ServerMachine._help,
    "QUIT": ServerMachine._quit,
    **dict.fromkeys(("EXPN", "BDAT", "TURN"), ServerMachine._not_implemented),
    **dict.fromkeys(("GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"), ServerMachine._not_smtp),
}

_ACCEPTED: Final[dict[type[Question], Callable[[ServerMachine, Question, str], None]]] = {
    Authenticate: ServerMachine._authenticated,
    MailFrom: ServerMachine._sender_accepted,
    RcptTo: ServerMachine._recipient_accepted,
    MessageReceived: ServerMachine._message_accepted,
}
