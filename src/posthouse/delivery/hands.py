"""What this process has claimed and has not yet seen written down.

A commit whose answer was lost may have claimed mail that nobody here knows of, and such mail would stay claimed for as long as its
worker lives. `Hands` knows what is really held, so that the rest can be given back.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from posthouse.outbox.claims import Claimed


class Hands:
    """The recipients' mails in this process, from the claim to the settlement.

    A mail may be claimed anew before the word of its last settlement is back, so what is let go is one claim, not the mail.
    """

    def __init__(self) -> None:
        self._held: dict[UUID, Claimed] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, mails: Iterable[Claimed]) -> None:
        """These were claimed."""
        self._held.update((mail.recipient_id, mail) for mail in mails)

    def has(self, mail: Claimed) -> bool:
        """Whether this very claim is still ours."""
        return self._held.get(mail.recipient_id) is mail

    def drop(self, mails: Iterable[Claimed]) -> None:
        """These were settled, given back, or left to their lease."""
        for mail in mails:
            if self.has(mail):
                del self._held[mail.recipient_id]

    def strangers(self, claimed: Collection[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
        """Of (workspace_id, recipient_id) claimed in our name, those we do not hold."""
        return [pair for pair in claimed if pair[1] not in self._held]
