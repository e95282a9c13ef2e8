"""One mail on an SMTP connection: from RSET or MAIL to the reply after the final dot (RFC 5321 3.3), without the connection.

The commands of a flight are `RSET`? `MAIL` `RCPT`xn `DATA`. With PIPELINING (RFC 2920) all go out together and every reply is
read; without it each waits for the reply before. The final dot is a flight of its own.
"""

from collections import deque
from enum import Enum

from posthouse.model.outcome import Outcome, RecipientOutcome, Reply, Stage
from posthouse.wire.smtp_reply import RawReply, is_too_many, outcome_of, parsed


class Next(Enum):
    """What a transaction needs after a reply."""

    REPLY = "wait for the next reply"
    COMMAND = "send the next command"
    CONTENT = "send the message"
    LONE_DOT = "send an empty message"
    DONE = "finished, the connection is in step"
    HANG_UP = "finished, the connection cannot be trusted"


class Transaction:
    """The state of one mail. `outcomes()` is complete once `receive` said DONE or HANG_UP, or `lost` was called."""

    def __init__(self, recipients: tuple[str, ...], commands: list[str], *, pipelined: bool) -> None:
        """`commands` with CRLF, beginning with RSET or MAIL, one RCPT per recipient, DATA last."""
        self._recipients = recipients
        self._commands = deque(commands)
        self._pipelined = pipelined
        self._outcomes: list[RecipientOutcome | None] = [None] * len(recipients)
        self._awaited = Stage.MAIL
        self._resetting = commands[0].startswith("RSET")
        self._mail_accepted = False
        self._rcpt = 0  # index of the recipient whose reply is awaited
        self._accepted = 0
        self._in_step = True
        self._sending = False  # 354 has come, the final dot has not gone
        self._dot_sent = False
        self.heard = False  # whether the receiver has said anything about this mail

    @property
    def awaited(self) -> Stage:
        """The stage whose reply comes next."""
        return self._awaited

    def flight(self) -> str:
        """The commands that may be sent now."""
        if not self._pipelined:
            return self._commands.popleft()
        flight = "".join(self._commands)
        self._commands.clear()
        return flight

    def dot_handed_over(self) -> None:
        """From here on a lost connection leaves the outcome unknown."""
        self._awaited = Stage.DOT
        self._sending = False
        self._dot_sent = True

    def receive(self, raw: RawReply) -> Next:
        """Take the reply to the oldest unanswered command."""
        self.heard = True
        # RFC 5321 3.8: with 421 the receiver is closing, whatever was asked. Nobody asked while the message is on its way.
        if raw.code == 421 or self._sending:
            return self._hang_up(parsed(raw))
        if self._resetting:
            return self._on_reset(raw)
        match self._awaited:
            case Stage.MAIL:
                return self._on_mail(raw)
            case Stage.RCPT:
                return self._on_rcpt(raw)
            case Stage.DATA:
                return self._on_data(raw)
            case _:
                return self._on_dot(raw)

    def lost(self, reason: str) -> None:
        """The connection is gone or beyond understanding. Recipients already refused keep their refusal."""
        if self._dot_sent and self._accepted:
            reply = Reply(451, "4.4.2", f"{reason} after the message was handed over; it may have been delivered")
            self._settle(reply, Outcome.UNKNOWN)
        else:
            self._settle(Reply(451, "4.4.2", reason), Outcome.TRANSIENT)

    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        """One per recipient, in their order."""
        decided = tuple(outcome for outcome in self._outcomes if outcome is not None)
        assert len(decided) == len(self._recipients), "transaction is not over"
        return decided

    def _on_reset(self, raw: RawReply) -> Next:
        # Without a clean slate the recipients of an earlier mail might still stand: never send on such a connection.
        if not raw.is_positive:
            return self._hang_up(parsed(raw))
        self._resetting = False
        return self._onward()

    def _on_mail(self, raw: RawReply) -> Next:
        self._mail_accepted = raw.is_positive
        if not raw.is_positive:
            self._refuse_all(parsed(raw))
            if not self._pipelined:
                return self._done()
        self._awaited = Stage.RCPT
        return self._onward()

    def _on_rcpt(self, raw: RawReply) -> Next:
        if raw.is_positive and self._mail_accepted:
            self._accepted += 1
        elif self._mail_accepted:
            self._refuse_recipient(parsed(raw))
        self._rcpt += 1
        if self._rcpt < len(self._recipients):
            return self._onward()
        self._awaited = Stage.DATA
        if not self._accepted and not self._pipelined:
            return self._done()
        return self._onward()

    def _on_data(self, raw: RawReply) -> Next:
        if raw.code == 354:
            self._sending = True
            # RFC 2920 3.1: a receiver may take DATA without recipients; an empty message brings both back in step.
            return Next.CONTENT if self._accepted else Next.LONE_DOT
        if self._accepted:
            self._refuse_all(parsed(raw))
        self._in_step = self._in_step and not raw.is_positive
        return self._done()

    def _on_dot(self, raw: RawReply) -> Next:
        if self._accepted:
            reply = parsed(raw)
            self._settle(reply, outcome_of(reply))
        self._in_step = self._in_step and (raw.is_positive or (raw.code >= 400 and raw.code != 503))
        return self._done()

    def _onward(self) -> Next:
        return Next.COMMAND if self._commands else Next.REPLY

    def _done(self) -> Next:
        return Next.DONE if self._in_step else Next.HANG_UP

    def _hang_up(self, reply: Reply) -> Next:
        self._settle(reply, Outcome.TRANSIENT)
        return Next.HANG_UP

    def _refuse_all(self, reply: Reply) -> None:
        """Everyone undecided is refused; a 503 or stray 2yz or 3yz where none belongs also means we are out of step."""
        if reply.code < 400 or reply.code == 503:
            self._in_step = False
            self._settle(reply, Outcome.TRANSIENT)
        else:
            self._settle(reply, outcome_of(reply))

    def _refuse_recipient(self, reply: Reply) -> None:
        excess = self._rcpt > 0 and is_too_many(reply)
        outcome = Outcome.TRANSIENT if excess else outcome_of(reply)
        self._in_step = self._in_step and reply.code >= 400 and reply.code != 503
        address = self._recipients[self._rcpt]
        self._outcomes[self._rcpt] = RecipientOutcome(address, outcome, reply, Stage.RCPT, excess)

    def _settle(self, reply: Reply, outcome: Outcome) -> None:
        for index, address in enumerate(self._recipients):
            if self._outcomes[index] is None:
                self._outcomes[index] = RecipientOutcome(address, outcome, reply, self._awaited)
