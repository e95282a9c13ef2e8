"""What is in hand is one claim of a mail, not the mail: it may be claimed anew before the word of its settlement is back."""

from dataclasses import replace

from tests.scripted_desk import mail

from posthouse.delivery.hands import Hands


def test_a_settlement_that_is_late_lets_go_of_its_own_claim_only() -> None:
    hands, first = Hands(), mail().mail
    second = replace(first, attempt=first.attempt + 1)
    hands.take([first])
    hands.take([second])
    assert (hands.has(first), hands.has(second)) == (False, True)
    hands.drop([first])
    claimed = (second.workspace_id, second.recipient_id)
    assert hands.strangers([claimed]) == []
    hands.drop([second])
    assert hands.strangers([claimed]) == [claimed]
    assert len(hands) == 0
