"""One word for a message with several recipients."""

import pytest

from posthouse.model.words import State
from posthouse.web.api.views import status_of


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([State.DELIVERED, State.DELIVERED], "delivered"),
        ([State.BOUNCED], "bounced"),
        ([State.DELIVERED, State.BOUNCED], "partly_delivered"),
        ([State.DELIVERED, State.WAITING], "waiting"),
        ([State.HELD, State.WAITING, State.READY, State.CLAIMED], "claimed"),
        ([State.HELD, State.BOUNCED], "held"),
        ([State.SUPPRESSED, State.SUPPRESSED], "suppressed"),
    ],
)
def test_the_status_of_a_message_follows_from_its_recipients(states: list[State], status: str) -> None:
    assert status_of(states) == status
