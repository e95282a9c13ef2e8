"""The lab's MX: takes mail for every domain, and misbehaves where the address asks for it."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from posthouse.intake.answers import Answer, HangUp, LaterAnswer, No, Yes
from posthouse.intake.connection import Connection
from posthouse.lab import behaviours
from posthouse.lab.behaviours import Act, Behaviour
from posthouse.lab.mailbox import Mailbox, Received
from posthouse.lab.reports import Postman
from posthouse.model.limits import LAB_REMEMBERED
from posthouse.wire import headers
from posthouse.wire.smtp_server_events import MessageReceived, Question, RcptTo, ServerConfig

TRICKLE_S: Final = 1.0
_LATER: Final = frozenset({Act.LATE_REPORT, Act.COMPLAIN, Act.AUTO_REPLY})


def config(hostname: str, *, starttls: bool = True) -> ServerConfig:
    """What the lab's MX offers: everything a large receiver does."""
    return ServerConfig(hostname=hostname, greeting="Posthouse lab", starttls=starttls)


class World:
    """What the lab remembers between connections: mail received, first tries that were refused, dots that were dropped."""

    def __init__(self, mailbox: Mailbox, postman: Postman, now: Callable[[], datetime]) -> None:
        self.mailbox, self.postman, self.now = mailbox, postman, now
        self._tries: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._dropped: dict[str, None] = {}

    def refuses_try(self, triplet: tuple[str, str, str], most_tries: int) -> bool:
        """Greylisting: count this try by client address, sender and recipient."""
        at = self.now().timestamp()
        tries, first = self._tries.get(triplet, (0, at))
        if not behaviours.is_greylisted(tries, first, at, most_tries):
            return False
        self._tries[triplet] = (tries + 1, first)
        _forget_oldest(self._tries)
        return True

    def drops(self, message: str) -> bool:
        """Whether this message (its Message-ID and recipient) is dropped now: the first time only."""
        if message in self._dropped:
            return False
        self._dropped[message] = None
        _forget_oldest(self._dropped)
        return True


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    if len(remembered) > LAB_REMEMBERED:
        del remembered[next(iter(remembered))]


class LabMx:
    """One connection to the MX."""

    def __init__(self, world: World, connection: Connection) -> None:
        self._world, self._connection = world, connection
        self._sender = ""

    def opened(self) -> bool:
        """Anybody may deliver."""
        return False

    def answer(self, question: Question) -> Answer | LaterAnswer:
        """Decide as the addresses ask."""
        if isinstance(question, RcptTo):
            return self._recipient(question.address)
        if isinstance(question, MessageReceived):
            return self._message(question)
        self._sender = getattr(question, "address", "")
        self._connection.on_content = None
        return Yes()

    def _recipient(self, address: str) -> Answer:
        behaviour, number = behaviours.of(address)
        if behaviour.act is Act.REFUSE_RCPT:
            return No(*behaviour.reply)
        triplet = (self._connection.peer, self._sender, address.lower())
        if behaviour.act is Act.GREYLIST and self._world.refuses_try(triplet, number):
            return No(*behaviour.reply)
        if behaviour.act is Act.HANG_UP_IN_DATA:
            self._connection.on_content = lambda: self._connection.send_away(*behaviour.reply)
        return Yes()

    def _message(self, mail: MessageReceived) -> Answer | LaterAnswer:
        """One reply for all recipients: the first that misbehaves after the dot decides it."""
        asked = [(address, *behaviours.of(address)) for address in mail.recipients]
        for address, behaviour, number in asked:
            match behaviour.act:
                case Act.REFUSE_DOT | Act.HANG_UP_IN_DATA:
                    return No(*behaviour.reply)
                case Act.DROP_AFTER_DOT if self._world.drops(f"{_message_id(mail)} {address}"):
                    return HangUp.NOW
                case Act.TARPIT:
                    return self._trickled(mail, behaviour)
                case Act.SLOW:
                    return self._delayed(mail, number)
        self._keep(mail)
        return _yes(behaviours.WELL_BEHAVED)

    async def _delayed(self, mail: MessageReceived, delay_s: int) -> Answer:
        await asyncio.sleep(delay_s)
        self._keep(mail)
        return _yes(behaviours.WELL_BEHAVED)

    async def _trickled(self, mail: MessageReceived, behaviour: Behaviour) -> Answer:
        """A continuation line octet by octet; the last line follows at once when all of it is out."""
        for octet in _octets(b"250-2.0.0 Slowly, slowly\r\n"):
            self._connection.write(octet)
            await asyncio.sleep(TRICKLE_S)
        self._keep(mail)
        return _yes(behaviour)

    def _keep(self, mail: MessageReceived) -> None:
        received = self._world.mailbox.add(
            received_at=self._world.now(),
            mail_from=mail.mail_from,
            recipients=mail.recipients,
            content=mail.data,
            peer=self._connection.peer,
            helo=self._connection.client_name,
            tls=self._connection.tls,
        )
        self._send_reports(received)

    def _send_reports(self, received: Received) -> None:
        for address in received.recipients:
            behaviour, delay_s = behaviours.of(address)
            if behaviour.act in _LATER:
                self._world.postman.after(behaviour.act, received, address, delay_s)


def _yes(behaviour: Behaviour) -> Yes:
    return Yes(behaviour.reply[2])


def _message_id(mail: MessageReceived) -> str:
    return (headers.first(headers.split(mail.data)[0], "message-id") or mail.mail_from.encode()).decode("latin-1")


def _octets(line: bytes) -> Iterator[bytes]:
    return (line[place : place + 1] for place in range(len(line)))
