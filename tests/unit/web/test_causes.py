"""Every reason the classifier may give has a sentence on the pages."""

from posthouse.ledger import bounce_rules
from posthouse.ledger.bounce_rules import BounceClass
from posthouse.web.pages.words import BLAME, CAUSES


def test_every_reason_and_class_has_a_sentence() -> None:
    assert set(CAUSES) == set(bounce_rules.shipped().reasons)
    assert set(BLAME) == set(BounceClass)
