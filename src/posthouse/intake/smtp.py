"""The role submission: SMTP for our own senders (RFC 6409), on a port with STARTTLS and one with TLS from the start (RFC 8314).

One transaction: `_authenticate` (or a credential bound to the client's network) -> `_sender` -> `recipient_address` for
each -> `_message` -> `submission.read` -> `Door.accept` -> COMMIT -> 250 with the message id.
"""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from posthouse.accounts.attempts import source_of
from posthouse.accounts.directory import Directory
from posthouse.intake import submission
from posthouse.intake.accept import Door
from posthouse.intake.answers import Answer, LaterAnswer, No, Yes
from posthouse.intake.connection import Connection
from posthouse.intake.listener import Listener
from posthouse.intake.login_limits import LoginLimits
from posthouse.intake.scan import ScannerError
from posthouse.intake.submission import Arrival
from posthouse.model.mail import Accepted, Submission, Submitter
from posthouse.model.values import dataclass
from posthouse.runtime import network
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process
from posthouse.wire.addresses import to_a_label
from posthouse.wire.sasl import Credentials
from posthouse.wire.smtp_server_events import Authenticate, MailFrom, MessageReceived, Question, RcptTo, ServerConfig

WRONG_LOGIN: Final = No(535, "5.7.8", "User name or password is wrong, revoked, or not for this network")
LOGIN_UNKNOWN: Final = No(454, "4.7.0", "Logins cannot be checked at the moment, please try again")
TOO_MANY_ATTEMPTS: Final = No(454, "4.7.0", "Too many failed logins, please wait before trying again")
REVOKED: Final = No(421, "4.7.0", "The credential is not valid any more, please log in again")


async def main(process: Process) -> None:
    """Serve until the process is asked to stop, then let open transactions end."""
    settings = process.settings.submission
    async with Directory.open(process) as directory:
        door = Door.open(process, directory)
        doorkeeper = Doorkeeper(
            directory,
            door,
            LoginLimits(),
            hostname=process.settings.server.hostname,
            now=process.clock.now,
            monotonic=process.clock.monotonic,
            new_id=process.ids.new,
        )
        listener = Listener(
            lambda connection: SubmissionSession(doorkeeper, connection),
            log=process.log,
            tls=network.server_tls(process.settings),
            most=settings.connections,
            source_of=source_of,
        )
        sessions = process.metrics.gauge("smtp_sessions", "Open SMTP connections")
        sessions.set_function(lambda: len(listener))
        for port, implicit_tls in ((settings.port, False), (settings.tls_port, True)):
            bound = network.bind(settings.host, port, "submission.tls_port" if implicit_tls else "submission.port")
            await listener.listen(bound, config(process, implicit_tls=implicit_tls))
        process.ready()
        await listener.run(process.stopping)
        await door.close()


def config(process: Process, *, implicit_tls: bool) -> ServerConfig:
    """What the machine of one port offers."""
    settings = process.settings.submission
    return ServerConfig(
        hostname=process.settings.server.hostname,
        starttls=not implicit_tls,
        implicit_tls=implicit_tls,
        auth_mechanisms=("PLAIN", "LOGIN"),
        auth_needs_tls=not settings.auth_without_tls,
        require_auth=True,
        max_size=settings.max_size,
    )


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """What all sessions of a process share."""

    directory: Directory
    door: Door
    limits: LoginLimits
    hostname: str
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    new_id: Callable[[], UUID]

    async def login(self, credentials: Credentials, peer: str) -> Submitter | No:
        """Check one login; failures count against the address they came from, and there against the user name."""
        attempt = self.limits.spend(credentials.username, peer, self.monotonic())
        if attempt is None:
            return TOO_MANY_ATTEMPTS
        try:
            submitter = await self.directory.by_smtp_login(credentials.username, credentials.password, peer)
        except DATABASE_GONE:
            self.limits.refund(attempt)
            return LOGIN_UNKNOWN
        if submitter is None:
            return WRONG_LOGIN
        self.limits.refund(attempt)
        return submitter


class SubmissionSession:
    """One client. Who it is comes from its address, or from a login; it is asked anew for every transaction, so that a revoked
    credential ends with the mail under way and not with the connection."""

    __slots__ = ("_connection", "_credentials", "_keeper", "_submitter")

    def __init__(self, keeper: Doorkeeper, connection: Connection) -> None:
        self._keeper, self._connection = keeper, connection
        self._credentials: Credentials | None = None
        self._submitter: Submitter | None = None

    def opened(self) -> Coroutine[Any, Any, bool]:
        """A credential bound to the client's network stands in for AUTH."""
        return self._by_network()

    def answer(self, question: Question) -> Answer | LaterAnswer:
        """Decide, at once where nobody has to be asked."""
        match question:
            case RcptTo(address):
                recipient = submission.recipient_address(address)
                return recipient if isinstance(recipient, No) else Yes()
            case MailFrom(address):
                return self._sender_at_hand(address) or self._sender(address)
            case MessageReceived():
                return self._message(question)
            case Authenticate(_, credentials):
                return self._authenticate(credentials)

    async def _by_network(self) -> bool:
        self._submitter = await self._keeper.directory.by_network(self._connection.peer)
        return self._submitter is not None

    async def _authenticate(self, credentials: Credentials) -> Answer:
        if credentials.authorization_id not in ("", credentials.username):
            return WRONG_LOGIN  # RFC 4616 2: nobody here may act as somebody else
        outcome = await self._keeper.login(credentials, self._connection.peer)
        if isinstance(outcome, No):
            return outcome
        self._credentials, self._submitter = credentials, outcome
        return Yes()

    async def _sender(self, address: str) -> Answer:
        """The null sender may pass: its From is looked at when the message is there."""
        self._submitter = submitter = await self._renewed()
        if submitter is None:
            return REVOKED
        domain = address.rpartition("@")[2]
        if not domain or submitter.any_domain:
            return Yes()
        label = to_a_label(domain)
        if label and await self._keeper.directory.may_send_as(submitter, label):
            return Yes()
        return No(550, "5.7.1", f"{domain} is not a verified sending domain of {submitter.name}, or lacks DNS records")

    def _sender_at_hand(self, address: str) -> Answer | None:
        """The yes that nearly every sender gets, without a task of its own where the directory has it in memory."""
        directory, credentials = self._keeper.directory, self._credentials
        username, password = (credentials.username, credentials.password) if credentials else (None, "")
        submitter = directory.at_hand(username, password, self._connection.peer)
        if submitter is None:
            return None
        label = to_a_label(address.rpartition("@")[2])
        if address and not submitter.any_domain and not (label and directory.known_to_send_as(submitter, label)):
            return None
        self._submitter = submitter
        return Yes()

    async def _renewed(self) -> Submitter | None:
        directory, peer = self._keeper.directory, self._connection.peer
        if self._credentials is None:
            return await directory.by_network(peer)
        return await directory.by_smtp_login(self._credentials.username, self._credentials.password, peer)

    async def _message(self, mail: MessageReceived) -> Answer:
        assert self._submitter is not None, "no message without MAIL"
        keeper, connection = self._keeper, self._connection
        arrival = Arrival(
            self._submitter, connection.client_name, connection.peer, keeper.hostname, keeper.new_id(), keeper.now()
        )
        read = submission.read(mail, arrival)
        return read if isinstance(read, No) else await self._accept(self._submitter, read)

    async def _accept(self, submitter: Submitter, read: Submission) -> Answer:
        try:
            receipts = await self._keeper.door.accept(submitter, [read])
        except ScannerError as problem:
            return No(451, "4.7.1", str(problem))
        assert isinstance(receipts, list), "a message without a key has no other answer"
        receipt = receipts[0]
        if isinstance(receipt, Accepted):
            return Yes(f"Accepted as {receipt.message_id}")
        return submission.refused(receipt)
