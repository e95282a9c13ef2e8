"""One open SMTP session with one receiver: mail after mail, each to its outcome."""

import asyncio
import errno
import ssl
from typing import Final

from posthouse.delivery.channel import Channel
from posthouse.delivery.courier import Envelope, SendResult, SitePolicy
from posthouse.delivery.tls_policy import Proof, Try
from posthouse.delivery.tls_proof import UnprovenError, Verifier, refused
from posthouse.model.outcome import Outcome, RecipientOutcome, Reply, Stage, TranscriptLine
from posthouse.model.values import dataclass
from posthouse.wire.mx import Target
from posthouse.wire.sasl import Credentials
from posthouse.wire.smtp_client import ClientMachine, MailDone, Ready, SessionRefused, StartTls
from posthouse.wire.tlsrpt import ResultType

_SPOILED: Final = Reply(451, "4.4.2", "the receiver hung up, or answered what nobody had asked")


@dataclass(frozen=True, slots=True)
class Refused:
    """One target that gave no session; `tls` is how its encryption fared, None when it did not come to that."""

    stage: Stage
    reply: Reply
    transcript: tuple[TranscriptLine, ...]
    tls: ResultType | None = None

    @property
    def outcome(self) -> Outcome:
        """Permanent only where the host says that it never takes mail (RFC 7504).

        Any other refusal this early is about us or about now, not about the recipient.
        """
        final = self.reply.code in {521, 556} and self.stage in {Stage.BANNER, Stage.EHLO}
        return Outcome.PERMANENT if final else Outcome.TRANSIENT

    @property
    def is_broken_tls(self) -> bool:
        """Encryption was offered and did not work; in the clear the same host may well do."""
        return self.stage is Stage.TLS and self.reply.code != 421


class SmtpConnection:
    """A `courier.Connection` over a channel whose machine is ready."""

    def __init__(self, site: str, target: Target, channel: Channel, tls: str = "", *, verified: bool = False) -> None:
        self.site = site
        self.target = target
        self.tls = tls
        self.verified = verified
        self.opening = channel.machine.take_transcript()
        self.sent = 0
        self._channel = channel

    async def send(self, envelope: Envelope) -> SendResult:
        """One transaction. The result is complete whatever happens; an idle connection is left behind if all went well."""
        machine = self._channel.machine
        if not machine.is_idle:
            return self._spoiled(envelope)
        self._channel.act(
            machine.begin_mail(
                envelope.mail_from, envelope.recipients, envelope.content, smtputf8=envelope.needs_smtputf8
            )
        )
        self.sent += 1
        try:
            event = await self._channel.wait()
        except asyncio.CancelledError:
            self.abort()
            raise
        assert isinstance(event, MailDone)
        return SendResult(event.outcomes, machine.take_transcript(), self._is_stale(event))

    def _spoiled(self, envelope: Envelope) -> SendResult:
        """The session broke while nothing was under way: the receiver hung up, or answered what nobody had asked."""
        self._channel.abort()
        outcomes = tuple(
            RecipientOutcome(each, Outcome.TRANSIENT, _SPOILED, Stage.MAIL) for each in envelope.recipients
        )
        return SendResult(outcomes, self._channel.machine.take_transcript(), self.sent > 0)

    async def usable(self) -> bool:
        """Whether another mail may be sent."""
        return await self._channel.quiet()

    async def close(self) -> None:
        """QUIT and close."""
        await self._channel.close()

    def abort(self) -> None:
        """Close without a word."""
        self._channel.abort()

    def _is_stale(self, done: MailDone) -> bool:
        if self.sent == 1 or not self._channel.machine.is_dead or self._channel.timed_out:
            return False
        said_goodbye = all(o.stage is Stage.MAIL and o.reply.code == 421 for o in done.outcomes)
        return said_goodbye or not self._channel.machine.heard


@dataclass(frozen=True, slots=True)
class Dialler:
    """Everything needed to open a session but the target: our name, whose mail it is for, the policy, what proves a name."""

    helo_name: str
    site: str
    domain: str
    policy: SitePolicy
    verifier: Verifier
    credentials: Credentials | None

    async def open(self, target: Target, way: Try) -> SmtpConnection | Refused:
        """Dial one target and bring the session to where mail may begin. Leaves nothing open unless it succeeds."""
        machine = ClientMachine(helo_name=self.helo_name, tls=way.tls, credentials=self.credentials)
        machine.remark(f"connecting to {target.host} [{target.address}]:{target.port}")
        channel = Channel(machine, self.policy.timeouts)
        opened = False
        try:
            failure = await self._dial(channel, target)
            if failure is not None:
                machine.remark(str(failure.reply))
                return Refused(failure.stage, failure.reply, machine.take_transcript())
            result = await _Opening(self, channel, target, way.proof).run()
            opened = isinstance(result, SmtpConnection)
            return result
        finally:
            if not opened:
                channel.abort()

    async def _dial(self, channel: Channel, target: Target) -> Refused | None:
        local = (self.policy.local_addr, 0) if self.policy.local_addr else None
        where = f"{target.host} [{target.address}]:{target.port}"
        try:
            async with asyncio.timeout(self.policy.timeouts.connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: channel, target.address, target.port, local_addr=local
                )
        except TimeoutError:
            return Refused(Stage.CONNECT, Reply(451, "4.4.1", f"{where}: no answer"), ())
        except OSError as error:
            if local and error.errno == errno.EADDRNOTAVAIL:
                text = f"this host cannot send from {self.policy.local_addr}"
                return Refused(Stage.LOCAL, Reply(451, "4.3.5", text), ())
            return Refused(Stage.CONNECT, Reply(451, "4.4.1", f"{where}: {error.strerror or error}"), ())
        return None


class _Opening:
    """One session on its way from the banner to where mail may begin."""

    def __init__(self, dialler: Dialler, channel: Channel, target: Target, proof: Proof) -> None:
        self._dialler = dialler
        self._channel = channel
        self._target = target
        self._proof = proof
        self._tls = ""
        self._shook_hands = False

    async def run(self) -> SmtpConnection | Refused:
        """Follows the machine."""
        while True:
            event = await self._channel.wait()
            match event:
                case Ready():
                    verified = bool(self._tls) and self._proof is not Proof.NONE
                    site = self._dialler.site
                    return SmtpConnection(site, self._target, self._channel, self._tls, verified=verified)
                case SessionRefused(stage, reply):
                    return Refused(stage, reply, self._channel.machine.take_transcript(), self._result(stage, reply))
                case StartTls():
                    refusal = await self._encrypt()
                    if refusal is not None:
                        return refusal
                case _:
                    raise AssertionError(f"no mail was begun, yet {event}")

    def _result(self, stage: Stage, reply: Reply) -> ResultType | None:
        if stage is not Stage.TLS or reply.code == 421:
            return None
        broke = self._shook_hands or reply.enhanced == _SPOILED.enhanced
        return ResultType.VALIDATION_FAILURE if broke else ResultType.STARTTLS_NOT_SUPPORTED

    async def _encrypt(self) -> Refused | None:
        """Shake hands. A handshake that breaks comes back from the machine as the next event, a name not proven at once."""
        machine, target = self._channel.machine, self._target
        if machine.is_dead:
            return None
        self._shook_hands = True
        context = self._dialler.verifier.context(self._proof)
        host = target.tlsa.base if target.tlsa else target.host
        try:
            self._tls = await self._channel.start_tls(context, host, self._proven)
        except UnprovenError as error:
            return self._unproven(error)
        except ssl.SSLCertVerificationError as error:
            return self._unproven(refused(error, target.host, self._proof))
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be written into SNI
            reason = str(error) or type(error).__name__
            self._channel.act(machine.lost(f"TLS handshake failed: {reason}"))
        return None

    def _proven(self, session: ssl.SSLObject) -> str:
        self._dialler.verifier.check(session, self._proof, self._target, self._dialler.domain)
        return "" if self._proof is Proof.NONE else f", verified by {self._proof}"

    def _unproven(self, error: UnprovenError) -> Refused:
        self._channel.machine.remark(str(error))
        reply = Reply(451, "4.7.5", str(error))
        return Refused(Stage.TLS, reply, self._channel.machine.take_transcript(), error.result)
