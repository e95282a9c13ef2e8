"""What the lab has received: the newest mails in memory, bounded by count and by octets, oldest out first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from posthouse.model.limits import LAB_MESSAGES, LAB_OCTETS
from posthouse.wire import headers


@dataclass(frozen=True)
class Received:
    """One mail as it came: the envelope, the connection's facts and every octet between DATA and the final dot.

    `number` counts from 1 since the lab started. `tls` is empty for a connection in the clear. What the header says is read
    when somebody asks: a receiver under load should not parse.
    """

    number: int
    received_at: datetime
    mail_from: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    peer: str
    helo: str
    tls: str

    @cached_property
    def header(self) -> bytes:
        """The header block."""
        return headers.split(self.content)[0]

    @cached_property
    def subject(self) -> str:
        """The Subject, decoded."""
        return self.field("subject")

    @cached_property
    def author(self) -> str:
        """The From field, decoded."""
        return self.field("from")

    @cached_property
    def haystack(self) -> str:
        """What the search looks through."""
        return " ".join((self.author, self.subject, self.mail_from, *self.recipients)).casefold()

    def field(self, name: str) -> str:
        """A header field's decoded value, empty when there is none."""
        value = headers.first(self.header, name)
        return headers.decode(value) if value is not None else ""


class Mailbox:
    """Newest last. One event loop uses it, so there is no lock."""

    def __init__(self, most_messages: int = LAB_MESSAGES, most_octets: int = LAB_OCTETS) -> None:
        self._most_messages, self._most_octets = most_messages, most_octets
        self._kept: dict[int, Received] = {}
        self._octets = 0
        self.total = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(
        self,
        *,
        received_at: datetime,
        mail_from: str,
        recipients: tuple[str, ...],
        content: bytes,
        peer: str,
        helo: str,
        tls: str,
    ) -> Received:
        """Keep one mail, forgetting the oldest where a bound is passed; the newest is kept whatever its size."""
        self.total += 1
        received = Received(self.total, received_at, mail_from, recipients, content, peer, helo, tls)
        self._kept[received.number] = received
        self._octets += len(content)
        while len(self._kept) > self._most_messages or (self._octets > self._most_octets and len(self._kept) > 1):
            oldest = self._kept.pop(next(iter(self._kept)))
            self._octets -= len(oldest.content)
        return received

    def get(self, number: int) -> Received | None:
        """The mail with this number, unless it was forgotten."""
        return self._kept.get(number)

    def search(self, query: str = "", to: str = "", since: datetime | None = None) -> Iterator[Received]:
        """Newest first: `query` anywhere in sender, subject or recipients, `to` in a recipient, `since` inclusive."""
        words, to = query.casefold().split(), to.casefold()
        for received in reversed(self._kept.values()):
            if since is not None and received.received_at < since:
                return
            if to and not any(to in recipient.casefold() for recipient in received.recipients):
                continue
            if all(word in received.haystack for word in words):
                yield received

    def clear(self) -> int:
        """Forget everything; how many mails that were."""
        forgotten = len(self._kept)
        self._kept.clear()
        self._octets = 0
        return forgotten
