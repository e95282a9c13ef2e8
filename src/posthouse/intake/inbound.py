"""The role inbound: port 25, for what comes back and nothing else (bounces, complaints, unsubscribes, receivers' reports by mail).

RCPT takes only addresses we signed ourselves; there is no mailbox and no relay. One mail: `ReturnsOffice.sender` where it goes to an
address for receivers' reports -> `returned.meaning` -> `reports.apply_...` -> COMMIT -> 250.
"""

from dataclasses import dataclass
from typing import Final

from posthouse.accounts.attempts import source_of
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_lookups import ResolverLookups
from posthouse.accounts.workspaces import Workspace
from posthouse.intake import report_senders, reports
from posthouse.intake.answers import Answer, LaterAnswer, No, Yes
from posthouse.intake.blocked_alerts import BlockedAlerts
from posthouse.intake.connection import Connection
from posthouse.intake.listener import Listener
from posthouse.intake.receiver_reports import UNPROVEN, Left, ReportDesk, Taken
from posthouse.intake.report_senders import Sender, Vouched
from posthouse.intake.reports import Clues
from posthouse.intake.returned import Complaint, Meaning, Nothing, ReceiverReport, Unsubscribe, meaning
from posthouse.ledger import bounce_policy
from posthouse.ledger.bounce_policy import BouncePolicy
from posthouse.ledger.explain import Explained
from posthouse.model.limits import CONNECTIONS_PER_ADDRESS, INBOUND_ADDRESSES
from posthouse.model.words import ReportSource
from posthouse.runtime import network
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process
from posthouse.wire import verp
from posthouse.wire.lookups import Lookups
from posthouse.wire.smtp_server_events import MessageReceived, Question, RcptTo, ServerConfig
from posthouse.wire.verp import Purpose, ReturnToken

UNKNOWN_RECIPIENT: Final = No(550, "5.1.1", "No such address here; this server takes delivery reports only")


async def main(process: Process) -> None:
    """Serve until the process is asked to stop, then let open transactions end."""
    settings = process.settings.inbound
    async with Directory.open(process) as directory:
        office = ReturnsOffice(
            process, directory, return_path_secret(process), ReportDesk(process), BlockedAlerts(process),
            ResolverLookups(Resolver(process.settings.delivery.resolvers, clock=process.clock)),
        )  # fmt: skip
        listener = Listener(
            lambda connection: InboundSession(office, connection),
            log=process.log,
            tls=network.server_tls(process.settings),
            most=settings.connections,
            source_of=source_of,
            most_of_one=min(CONNECTIONS_PER_ADDRESS, -(-settings.connections // INBOUND_ADDRESSES)),
        )
        process.metrics.gauge("smtp_sessions", "Open SMTP connections").set_function(lambda: len(listener))
        config = ServerConfig(hostname=process.settings.server.hostname, starttls=True, max_size=settings.max_size)
        await listener.listen(network.bind(settings.host, settings.port, "inbound.port"), config)
        process.ready()
        await listener.run(process.stopping)


def return_path_secret(process: Process) -> bytes:
    """The key of the HMAC in signed addresses."""
    return process.vault.derive("return-path")


@dataclass(frozen=True, slots=True)
class ReturnsOffice:
    """What all sessions of a process share."""

    process: Process
    directory: Directory
    secret: bytes
    desk: ReportDesk
    blocked: BlockedAlerts
    lookups: Lookups

    def token(self, address: str) -> ReturnToken | None:
        """What a signed address of ours says; None for every other address.

        At whatever domain: customers' own bounce domains lead here too, also those that were removed since, and the signature
        is all that counts.
        """
        return verp.decode(address.rpartition("@")[0], self.secret)

    async def sender(self, mail: MessageReceived, connection: Connection) -> Sender:
        """Who sends receivers' reports. Only of these it matters: whoever sends a bounce is as often as not what does not work."""
        peer, helo = connection.peer, connection.client_name
        found = await report_senders.ask(mail, peer, helo, self.lookups, self.process.clock.now())
        if isinstance(found, No):
            self.process.log.info("receiver_report.refused", peer=peer, code=found.code, detail=found.text)
        return found

    async def receive(self, token: ReturnToken, mail: MessageReceived, sender: Vouched) -> No | None:
        """Record what the mail means for the recipient the token names; `sender` is who vouches for receivers' reports."""
        workspace = await self.directory.workspace_by_number(token.workspace_number)
        policy = await self._policy(workspace, token)
        meant = self._meaning(token, mail, policy)
        if isinstance(meant, No):
            return meant
        changed: bool | No = False
        if isinstance(meant, ReceiverReport):
            changed = await self._receiver_reports(workspace, token, mail.data, sender)
        elif workspace is not None and not isinstance(meant, Nothing):
            changed = await self._apply(workspace, token, meant, mail, policy)
        if isinstance(changed, No):
            return changed
        note = _note(meant)
        self.process.log.info(
            "report.received", purpose=token.purpose.name.lower(), meaning=note, changed=changed, octets=len(mail.data)
        )
        return None

    async def _policy(self, workspace: Workspace | None, token: ReturnToken) -> BouncePolicy:
        if workspace is None or token.purpose is not Purpose.BOUNCE:
            return bounce_policy.DEFAULT
        return await bounce_policy.of(self.process.pool, workspace.workspace_id)

    def _meaning(self, token: ReturnToken, mail: MessageReceived, policy: BouncePolicy) -> Meaning:
        """A report we cannot read is taken all the same: refusing it would only send it round in circles."""
        try:
            return meaning(token.purpose, mail.mail_from, mail.data, policy.rules)
        except Exception:
            self.process.log.exception("report.unreadable", octets=len(mail.data))
            return Nothing.UNREADABLE

    async def _apply(
        self,
        workspace: Workspace,
        token: ReturnToken,
        meant: Explained | Complaint | Unsubscribe,
        mail: MessageReceived,
        policy: BouncePolicy,
    ) -> bool:
        workspace_id = workspace.workspace_id
        if isinstance(meant, Explained):
            return await reports.apply_report(
                self.process, workspace_id, token.recipient_id, meant, policy, self.blocked
            )
        clues = self._clues(token, meant, mail.data)
        if isinstance(meant, Unsubscribe):
            return await reports.apply_unsubscribe(self.process, workspace_id, clues)
        return await reports.apply_complaint(self.process, workspace_id, clues)

    def _clues(self, token: ReturnToken, meant: Complaint | Unsubscribe, content: bytes) -> Clues:
        """Return paths it quotes count only within the workspace it came to."""
        quoted = verp.found_in(content, self.secret)
        ours = [each.recipient_id for each in quoted if each.workspace_number == token.workspace_number]
        return Clues(tuple(dict.fromkeys([token.recipient_id, *ours])), meant.addresses)

    async def _receiver_reports(
        self, workspace: Workspace | None, token: ReturnToken, content: bytes, sender: Vouched
    ) -> bool | No:
        """What cannot be read or kept is logged and no reason to refuse: the program at the other end would not read why.

        A mail of nothing but reports that nobody vouches for is refused, for its sender can mend that.
        """
        if workspace is None or token.recipient_id != workspace.workspace_id:
            return False
        outcomes = await self.desk.take(workspace, content, ReportSource.MAIL, proofs=sender.proofs)
        unproven = [each.detail for each in outcomes if isinstance(each, Left) and each.reason == UNPROVEN]
        if unproven and len(unproven) == len(outcomes):
            return sender.later or No(550, "5.7.20", unproven[0])
        return any(isinstance(outcome, Taken) and outcome.new for outcome in outcomes)


def _note(meant: Meaning) -> str:
    """What the log calls it."""
    if isinstance(meant, Explained):
        return str(meant.kind)
    return meant.value if isinstance(meant, Nothing) else type(meant).__name__.lower()


class InboundSession:
    """One client; anybody may come, with mail for signed addresses."""

    __slots__ = ("_connection", "_office")

    def __init__(self, office: ReturnsOffice, connection: Connection) -> None:
        self._office, self._connection = office, connection

    def opened(self) -> bool:
        """Nobody is trusted, nobody has to be."""
        return False

    def answer(self, question: Question) -> Answer | LaterAnswer:
        """Decide."""
        if isinstance(question, RcptTo):
            return Yes() if self._office.token(question.address) else UNKNOWN_RECIPIENT
        if isinstance(question, MessageReceived):
            return self._message(question)
        return Yes()

    async def _message(self, mail: MessageReceived) -> Answer:
        tokens = [self._token(address) for address in dict.fromkeys(mail.recipients)]
        to_desk = any(token.purpose is Purpose.REPORT for token in tokens)
        sender = await self._office.sender(mail, self._connection) if to_desk else Vouched()
        if isinstance(sender, No):
            return sender
        for token in tokens:
            if refusal := await self._office.receive(token, mail, sender):
                return refusal
        return Yes()

    def _token(self, address: str) -> ReturnToken:
        token = self._office.token(address)
        assert token is not None, "every recipient was decoded at RCPT"
        return token
